//! Logical interfaces: which local address a party is talked to from.

use std::net::IpAddr;

use ahash::AHashMap;

use super::{ports::PortPool, rng::Rng};
use crate::config::CoreConfig;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// As `query` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Index of a local address within [`Interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalIdx(usize);

/// One address of one logical interface.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) interface: String,
    pub(super) address: IpAddr,
    pub(super) advertised: IpAddr,
    pool: usize,
    logical: usize,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// The first configured interface.
    Default,
    /// An interface or the base of several.
    Named(&'a str),
    /// `round-robin-calls`: any, in turn.
    AnyInTurn,
}

/// Why no address could be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InterfaceError {
    #[error("no interface is configured: give at least one --interface")]
    None,
    #[error(
        "no ports available on interface '{0}' ({1} - {2}): end calls, widen --port-min/--port-max or add an interface"
    )]
    Exhausted(String, u16, u16),
}

#[derive(Clone, Debug)]
struct Logical {
    name: String,
    locals: Vec<LocalIdx>,
}

/// All logical interfaces with the port pools of their addresses.
#[derive(Clone, Debug)]
pub(super) struct Interfaces {
    logical: Vec<Logical>,
    locals: Vec<Local>,
    /// One per address, even where several interfaces share it.
    pools: Vec<PortPool>,
    by_name: AHashMap<String, usize>,
    /// Members of each `BASE` and whose turn is next.
    bases: AHashMap<String, (Vec<usize>, usize)>,
    next_any: usize,
}

impl Interfaces {
    pub(super) fn new(config: &CoreConfig) -> Self {
        let mut this = Self {
            logical: Vec::new(),
            locals: Vec::new(),
            pools: Vec::new(),
            by_name: AHashMap::new(),
            bases: AHashMap::new(),
            next_any: 0,
        };
        let mut pools = AHashMap::new();
        for interface in &config.interfaces {
            let logical = this.logical.len();
            let mut members = Vec::new();
            for address in &interface.addresses {
                let pool = *pools.entry(address.address).or_insert_with(|| {
                    this.pools.push(PortPool::new(config.port_min, config.port_max));
                    this.pools.len() - 1
                });
                members.push(LocalIdx(this.locals.len()));
                this.locals.push(Local {
                    interface: interface.name.clone(),
                    address: address.address,
                    advertised: address.advertised,
                    pool,
                    logical,
                });
            }
            if members.is_empty() {
                continue;
            }
            if let Some(base) = interface.base() {
                this.bases.entry(base.to_owned()).or_default().0.push(logical);
            }
            this.by_name.insert(interface.name.clone(), logical);
            this.logical.push(Logical { name: interface.name.clone(), locals: members });
        }
        this
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.bases.contains_key(name)
    }

    /// Whether `local` belongs to what `wanted` names.
    pub(super) fn matches(&self, local: LocalIdx, wanted: &Wanted<'_>) -> bool {
        let Some(local) = self.local(local) else { return false };
        match wanted {
            Wanted::Default => local.logical == 0,
            Wanted::Named(name) if self.knows(name) => {
                local.interface == *name
                    || local.interface.split_once(':').is_some_and(|(base, _)| base == *name)
            }
            Wanted::Named(_) => local.logical == 0,
            Wanted::AnyInTurn => true,
        }
    }

    /// Whether the interface of `local` has addresses of `family` while `local` is of the other one.
    pub(super) fn could_move(&self, local: LocalIdx, family: Family) -> bool {
        self.local(local).is_some_and(|local| {
            Family::of(local.address) != family
                && self
                    .locals
                    .iter()
                    .any(|other| other.logical == local.logical && Family::of(other.address) == family)
        })
    }

    /// The other addresses of the interface that `local` belongs to, in the order configured.
    pub(super) fn others(&self, local: LocalIdx) -> Vec<LocalIdx> {
        let logical = self.local(local).and_then(|local| self.logical.get(local.logical));
        let locals = logical.map_or(&[][..], |logical| &logical.locals);
        locals.iter().copied().filter(|other| *other != local).collect()
    }

    pub(super) fn local(&self, index: LocalIdx) -> Option<&Local> {
        self.locals.get(index.0)
    }

    /// The local address `address` of the interface called `name`, or of any interface.
    pub(super) fn find(&self, name: &str, address: IpAddr) -> Option<LocalIdx> {
        let of = |named: bool| {
            self.locals
                .iter()
                .position(|local| local.address == address && (!named || local.interface == name))
        };
        of(true).or_else(|| of(false)).map(LocalIdx)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (LocalIdx, &Local, &PortPool)> {
        self.locals
            .iter()
            .enumerate()
            .filter_map(|(index, local)| Some((LocalIdx(index), local, self.pools.get(local.pool)?)))
    }

    pub(super) fn pool_mut(&mut self, index: LocalIdx) -> Option<&mut PortPool> {
        let pool = self.locals.get(index.0)?.pool;
        self.pools.get_mut(pool)
    }

    /// Takes a pair or a single port at random.
    pub(super) fn take(&mut self, index: LocalIdx, single: bool, rng: &mut Rng) -> Option<u16> {
        let pool = self.pool_mut(index)?;
        if single { pool.take_single(rng) } else { pool.take_pair(rng) }
    }

    /// Chooses the local address for a new socket. Members of a `BASE` take turns; those without room are passed over.
    /// So are those `tried` in vain. A family the interface does not have is replaced by the one it has. An unknown name means the default interface.
    ///
    /// # Errors
    /// [`InterfaceError::Exhausted`] where no address of the interface has room.
    pub(super) fn choose(
        &mut self,
        wanted: &Wanted<'_>,
        family: Family,
        single: bool,
        first_only: bool,
        tried: &[LocalIdx],
    ) -> Result<LocalIdx, InterfaceError> {
        let candidates = self.candidates(wanted);
        for &logical in &candidates {
            if let Some(local) = self.room(logical, family, single, first_only, tried) {
                self.advance(wanted, logical);
                return Ok(local);
            }
        }
        Err(self.exhausted(candidates.first().copied()))
    }

    /// The error for a local address without free ports.
    pub(super) fn exhausted_at(&self, index: LocalIdx) -> InterfaceError {
        self.exhausted(self.local(index).map(|local| local.logical))
    }

    fn exhausted(&self, logical: Option<usize>) -> InterfaceError {
        let Some(logical) = logical.and_then(|index| self.logical.get(index)) else {
            return InterfaceError::None;
        };
        let (min, max) = logical
            .locals
            .first()
            .and_then(|&index| self.pools.get(self.local(index)?.pool))
            .map_or((0, 0), PortPool::range);
        InterfaceError::Exhausted(logical.name.clone(), min, max)
    }

    /// Logical interfaces in the order they are to be tried.
    fn candidates(&self, wanted: &Wanted<'_>) -> Vec<usize> {
        let in_turn = |members: &[usize], next: usize| {
            let mut order = members.to_vec();
            order.rotate_left(if members.is_empty() { 0 } else { next % members.len() });
            order
        };
        match wanted {
            Wanted::AnyInTurn => in_turn(&(0..self.logical.len()).collect::<Vec<_>>(), self.next_any),
            Wanted::Named(name) => match (self.by_name.get(*name), self.bases.get(*name)) {
                (Some(&logical), _) => vec![logical],
                (None, Some((members, next))) => in_turn(members, *next),
                (None, None) => self.first(),
            },
            Wanted::Default => self.first(),
        }
    }

    fn first(&self) -> Vec<usize> {
        if self.logical.is_empty() { Vec::new() } else { vec![0] }
    }

    fn advance(&mut self, wanted: &Wanted<'_>, chosen: usize) {
        match wanted {
            Wanted::AnyInTurn => self.next_any = chosen + 1,
            Wanted::Named(name) if !self.by_name.contains_key(*name) => {
                if let Some((members, next)) = self.bases.get_mut(*name) {
                    *next = members.iter().position(|&member| member == chosen).map_or(0, |place| place + 1);
                }
            }
            Wanted::Named(_) | Wanted::Default => {}
        }
    }

    fn room(
        &self,
        logical: usize,
        family: Family,
        single: bool,
        first_only: bool,
        tried: &[LocalIdx],
    ) -> Option<LocalIdx> {
        let locals = &self.logical.get(logical)?.locals;
        let of = |wanted: Family| {
            locals.iter().copied().filter(move |&index| {
                self.local(index).is_some_and(|local| Family::of(local.address) == wanted)
            })
        };
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        let family = if of(family).next().is_some() { family } else { other };
        let limit = if first_only { 1 } else { usize::MAX };
        of(family).take(limit).filter(|index| !tried.contains(index)).find(|&index| {
            self.local(index)
                .and_then(|local| self.pools.get(local.pool))
                .is_some_and(|pool| pool.has_room(single))
        })
    }
}
