//! The engine: control plane, core and media plane put together.

pub mod actor;
pub mod adopt;
pub mod backend;
pub mod dtls;
pub mod identities;
pub mod plane;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rtpengine_core::call::Engine;
use rtpengine_core::ice::IceClock;
use rtpengine_core::ng::cache::CacheLimits;
use tokio::time::MissedTickBehavior;

use self::actor::{Actor, EngineHandle};
use self::backend::Backend;
use self::dtls::Dtls;
use self::identities::Identities;
use self::plane::Plane;
use crate::callback::{self, Callback};
use crate::cli::params::Start;
use crate::cli::{self, Cli};
use crate::config::Config;
use crate::control::{Dispatcher, Listeners, SocketOptions};
use crate::export::mqtt::Publisher;
use crate::export::{Capture, graphite, homer};
use crate::http;
use crate::logging::LogLevels;
use crate::process::{LoadMeter, Scheduling, Shutdown};
use crate::relay::{RelayConfig, RelayPool, system_clock};
use crate::xdp::{self, OffloadConfig, StartReport};

/// Threads of the control plane besides one for each UDP listener: they wait far more than they work.
const CONTROL_THREADS: usize = 2;
/// How often the use of the CPUs is sampled.
const LOAD_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the daemon until `shutdown` is requested. `ready` is called once calls can be placed; an error before
/// that is a failed start.
///
/// # Errors
/// When a listener, a relay thread or the kernel table cannot be set up.
pub fn run(
    config: Config,
    levels: LogLevels,
    ready: impl FnOnce(),
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    if let Some(scheduling) = config.scheduling {
        // Inherited by all threads that start from here.
        scheduling.apply().context("scheduling and priority")?;
    }
    let options = SocketOptions { tos: config.control_tos, pmtu: config.control_pmtu };
    // Control sockets first: a second daemon with the same configuration must not touch the first one's table.
    let listeners = Listeners::bind(&config.listen_ng, &config.listen_tcp_ng, options)?.with_legacy(
        &config.listen_udp,
        &config.listen_tcp,
        options,
    )?;
    let cli_listeners = cli::server::bind(&config.listen_cli)?;
    let http_listeners = http::Listeners::bind(&config.http)?;

    let (engine_handle, inbox) = EngineHandle::new();
    let events = engine_handle.clone();
    let relay_config = RelayConfig {
        threads: config.num_threads,
        stack: config.thread_stack,
        cpus: config.socket_cpus,
        ..RelayConfig::default()
    };
    let pool = RelayPool::start(relay_config, move |event| events.event(event))?;
    let events = engine_handle.clone();
    let (offload, report) =
        xdp::start(offload_config(&config), Arc::new(pool.handle()), move |event| events.event(event))
            .context("kernel table")?;
    let offload = Arc::new(offload);
    log_kernel_path(&report);

    let clock = IceClock::new(Instant::now(), system_clock());
    let dtls = Dtls::start(config.dtls.clone(), pool.handle(), engine_handle.clone()).context("DTLS")?;
    let dtls = Arc::new(dtls);
    let identities = dtls.identities();
    let (callback, callbacks) = match &config.callback {
        Some(options) => {
            let (callback, queue) = Callback::new();
            let worker = callback::Worker::new(callback.clone(), options.clone(), &config.software_id)?;
            (callback, Some(worker.run(queue)))
        }
        None => (Callback::default(), None),
    };
    let (capture, captured) = match config.exports.homer {
        Some(_) => {
            let (capture, queue) = Capture::new();
            (capture, Some(queue))
        }
        None => (Capture::default(), None),
    };
    let publisher = config.exports.mqtt.clone().map(Publisher::new).transpose().context("MQTT")?;
    let mut plane = Plane::new(
        pool.handle(),
        Arc::clone(&offload),
        dtls,
        levels.clone(),
        callback.clone(),
        capture.clone(),
    );
    let mut engine = Engine::new(config.core(), seed(), clock);
    adopt::adopt(&mut engine, &mut plane, &report.adopted);
    offload.drop_unclaimed();
    // Without options of its own it is scheduled as by default, not as the others.
    let timers = config.idle_scheduling.or(config.scheduling.map(|_| Scheduling::default()));
    let actor = Actor::start(engine, plane, &engine_handle, inbox, timers).context("core thread")?;

    let control_tos = Arc::new(listeners.tos(config.control_tos.unwrap_or(0))?);
    let load_handle = engine_handle.clone();
    let backend = Backend::new(engine_handle, control_tos, Arc::clone(&offload), callback, capture.clone());
    let dispatcher = Arc::new(
        Dispatcher::new(backend.clone(), CacheLimits::default()).with_templates(config.templates.clone()),
    );
    let command_line = Arc::new(Cli::new(backend.clone(), levels.clone(), Start::new(&config, &levels)));
    let exporting = backend.clone();
    let services =
        http::Services { dispatcher: Arc::clone(&dispatcher), cli: Arc::clone(&command_line), backend };
    let http = http_listeners.serve(services, config.thread_stack)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(CONTROL_THREADS).thread_name("control").enable_all();
    if let Some(stack) = config.thread_stack {
        builder.thread_stack_size(stack);
    }
    let runtime = builder.build().context("control threads")?;
    let served = runtime.block_on(async {
        let _control = listeners.serve(&dispatcher, config.thread_stack)?;
        let _command_line = cli::serve(cli_listeners, &command_line)?;
        tokio::spawn(renew(identities));
        tokio::spawn(watch_load(load_handle));
        if let Some(options) = config.exports.graphite {
            tokio::spawn(graphite::run(options, exporting.clone()));
        }
        if let (Some(options), Some(queue)) = (config.exports.homer, captured) {
            tokio::spawn(homer::run(options, capture, queue));
        }
        if let Some(publisher) = publisher {
            tokio::spawn(publisher.run(exporting));
        }
        if let Some(callbacks) = callbacks {
            tokio::spawn(callbacks);
        }
        ready();
        shutdown.requested().await;
        anyhow::Ok(())
    });
    // Requests end here; a client that waits for a reply asks again elsewhere.
    runtime.shutdown_background();
    if let Some(http) = http {
        http.stop();
    }
    if let Some((mut engine, mut plane)) = actor.stop() {
        let calls = engine.terminate_all(system_clock(), &mut plane);
        plane.execute(engine.take_outputs());
        tracing::info!(target: "core", "shutting down, {calls} calls closed");
    }
    // The relay first: it must not work on memory of contexts that other daemons may get.
    let relay = pool.shutdown();
    offload.shutdown();
    relay?;
    served
}

/// Tells the core how busy the machine is.
async fn watch_load(engine: EngineHandle) {
    let mut meter = LoadMeter::default();
    let mut ticks = tokio::time::interval(LOAD_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match meter.measure() {
            Ok(load) if engine.with(|engine, _plane| engine.set_system_load(load)).is_err() => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: "core", "max-load and max-cpu have no effect: {error}");
                return;
            }
        }
    }
}

/// Keeps the certificate for new calls young.
async fn renew(identities: Arc<Identities>) {
    loop {
        tokio::time::sleep(identities.check()).await;
        let identities = Arc::clone(&identities);
        // The thread that makes a key may be busy for seconds. It reports its panics itself.
        let _panicked = tokio::task::spawn_blocking(move || identities.renew_if_due()).await;
    }
}

fn offload_config(config: &Config) -> OffloadConfig {
    let addresses = config.local_addresses().into_iter().map(|address| address.address).collect();
    OffloadConfig {
        no_fallback: config.no_fallback,
        ..OffloadConfig::new(config.table.map_or(-1, i64::from), addresses)
    }
}

fn log_kernel_path(report: &StartReport) {
    if let Some(why) = &report.status.off {
        tracing::info!(target: "core", "media is relayed in userspace: {why}");
    }
    for device in &report.status.devices {
        tracing::info!(target: "core", "kernel path on {} (device {}): {:?} {}", device.name, device.ifindex, device.mode, device.reason);
    }
}

/// Decides which ports calls get, so it should differ between starts and be hard to guess.
fn seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
