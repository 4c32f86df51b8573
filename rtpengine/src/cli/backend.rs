//! What the command line needs of the daemon.

use std::future::Future;

use rtpengine_core::ng::statistics::Statistics;

use crate::dtls;

use super::model::{CallDetail, CallSummary, RuntimeSettings, Selection, Setting};

/// The engine's side of the command line.
pub trait CliBackend: Send + Sync + 'static {
    /// All statistics, as of now.
    fn statistics(&self) -> impl Future<Output = Statistics> + Send;

    /// What was counted of DTLS handshakes.
    fn dtls(&self) -> impl Future<Output = dtls::Statistics> + Send;

    /// The calls of a selection, oldest first.
    fn calls(&self, selection: Selection) -> impl Future<Output = Vec<CallSummary>> + Send;

    /// One call in full.
    fn call(&self, call_id: String) -> impl Future<Output = Option<CallDetail>> + Send;

    /// Ends calls; the number ended.
    fn terminate(&self, selection: Selection) -> impl Future<Output = u64> + Send;

    /// Switches full logging of one call; `false` when there is no such call.
    fn set_debug(&self, call_id: String, enabled: bool) -> impl Future<Output = bool> + Send;

    /// The settings in force.
    fn settings(&self) -> impl Future<Output = RuntimeSettings> + Send;

    /// Changes one setting.
    ///
    /// # Errors
    /// One line for the operator.
    fn set(&self, setting: Setting) -> impl Future<Output = Result<(), String>> + Send;
}
