//! The maps with SRTP contexts. They hold session keys, so unlike the others they are for the daemon's user alone.

use std::{
    fmt,
    fs::{DirBuilder, Permissions, set_permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    ptr::NonNull,
    sync::Arc,
};

use rtpengine_common::{
    abi::MAX_CHUNKS,
    pins,
    srtp::{
        abi::{MAX_SRTP_CONTEXTS, SRTP_CONTEXTS_MAP_FLAGS, SRTP_STREAMS_MAP_FLAGS, SrtpContext, SrtpStreams},
        ghash::HashKey,
        shared::SharedStreams,
    },
};

use super::{
    error::XdpError,
    mapping::Mapping,
    net::{map_error, open_or_create, size},
    sys::{Map, MapShape, MapType},
};

/// Folder of the pins, in that of the network namespace.
const FOLDER: &str = "srtp";
/// The maps.
pub const NAMES: [&str; 3] = [pins::SRTP_CONTEXTS, pins::SRTP_HASH_KEYS, pins::SRTP_STREAMS];
/// Contexts are handed out with the chunks of counters: so many with each.
pub const CONTEXTS_PER_CHUNK: u32 = MAX_SRTP_CONTEXTS / MAX_CHUNKS;

/// Where the maps are pinned.
#[must_use]
pub fn folder(net: &Path) -> PathBuf {
    net.join(FOLDER)
}

/// The maps. Number of a context: its row plus one, as 0 stands for none.
pub struct SrtpMaps {
    contexts: Map<u32, SrtpContext>,
    hash_keys: Map<u32, HashKey>,
    /// Streams by row.
    pub streams: Arc<StreamsArea>,
}

impl fmt::Debug for SrtpMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpMaps").finish_non_exhaustive()
    }
}

impl SrtpMaps {
    /// Opens the maps or makes them, in the folder of a network namespace.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub(super) fn open(net: &Path) -> Result<Self, XdpError> {
        let dir = folder(net);
        make_private(&dir).map_err(|source| XdpError::Pin { path: dir.clone(), source })?;
        let shape = |map_type: MapType, value_size, flags| MapShape {
            map_type: map_type as u32,
            key_size: size::<u32>(),
            value_size,
            max_entries: MAX_SRTP_CONTEXTS,
            flags,
        };
        let contexts = shape(MapType::Hash, size::<SrtpContext>(), SRTP_CONTEXTS_MAP_FLAGS);
        let hash_keys = shape(MapType::Hash, size::<HashKey>(), SRTP_CONTEXTS_MAP_FLAGS);
        let streams = shape(MapType::Array, size::<SrtpStreams>(), SRTP_STREAMS_MAP_FLAGS);
        let streams: Map<u32, SrtpStreams> = open_or_create(&dir, pins::SRTP_STREAMS, streams, PRIVATE_PIN)?;
        let streams = Mapping::new(streams.fd(), MAX_SRTP_CONTEXTS)
            .map_err(map_error(pins::SRTP_STREAMS, MAX_SRTP_CONTEXTS))?;
        Ok(Self {
            contexts: open_or_create(&dir, pins::SRTP_CONTEXTS, contexts, PRIVATE_PIN)?,
            hash_keys: open_or_create(&dir, pins::SRTP_HASH_KEYS, hash_keys, PRIVATE_PIN)?,
            streams: Arc::new(StreamsArea(streams)),
        })
    }

    /// Gives a context its keys. The hash key is for AES-GCM.
    ///
    /// # Errors
    /// As the map update.
    pub fn put(&self, number: u32, context: &SrtpContext, hash_key: Option<&HashKey>) -> io::Result<()> {
        if let Some(hash_key) = hash_key {
            self.hash_keys.put(&number, hash_key)?;
        }
        self.contexts.put(&number, context)
    }

    /// Whether a context has these keys.
    ///
    /// # Errors
    /// As the map lookup.
    pub fn is(&self, number: u32, context: &SrtpContext) -> io::Result<bool> {
        let found = self.contexts.get(&number)?.map(zeroize::Zeroizing::new);
        Ok(found.is_some_and(|found| *found == *context))
    }

    /// Whether there is such a context.
    ///
    /// # Errors
    /// As the map lookup.
    pub fn has(&self, number: u32) -> io::Result<bool> {
        Ok(self.contexts.get(&number)?.map(zeroize::Zeroizing::new).is_some())
    }

    /// The numbers of all contexts.
    ///
    /// # Errors
    /// As the map access.
    pub fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = self.contexts.keys()?;
        numbers.extend(self.hash_keys.keys()?);
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Takes the keys of a context away. No flow may refer to it any more.
    ///
    /// # Errors
    /// As the map access.
    pub fn wipe(&self, number: u32) -> io::Result<()> {
        self.contexts.wipe(&number, &SrtpContext::default())?;
        self.hash_keys.wipe(&number, &HashKey::default())
    }
}

/// The chunk that a context comes with.
#[must_use]
pub const fn chunk_of(number: u32) -> u32 {
    number.saturating_sub(1) / CONTEXTS_PER_CHUNK
}

/// The mapped array of streams, by row.
#[derive(Debug)]
pub struct StreamsArea(Mapping<SrtpStreams>);

impl StreamsArea {
    /// Address of the streams of a row; `None`: there is no such row. Valid while the area lives, for atomic accesses.
    #[must_use]
    pub fn row(&self, row: u32) -> Option<NonNull<SharedStreams>> {
        // Of the same size and alignment as `SrtpStreams`, as is asserted where it is defined, and of any bytes.
        self.0.at(row).map(NonNull::cast)
    }
}

/// Mode of pins that nobody else may open.
const PRIVATE_PIN: u32 = 0o600;
/// Mode of the folder.
const PRIVATE_FOLDER: u32 = 0o700;

fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    set_permissions(path, Permissions::from_mode(PRIVATE_FOLDER))
}
