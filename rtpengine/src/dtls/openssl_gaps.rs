//! The calls of OpenSSL that the `openssl` crate does not wrap: DTLS timers, stateless listening, two setters.

use std::ffi::{c_int, c_long, c_uint};
use std::ptr;
use std::time::Duration;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{SslContextBuilder, SslRef, SslStream};
use openssl::x509::X509VerifyResult;
use openssl_sys as sys;

/// `SSL_CTRL_SET_MAX_CERT_LIST` of `openssl/ssl.h`.
const SET_MAX_CERT_LIST: c_int = 51;
/// `DTLS_CTRL_GET_TIMEOUT` of `openssl/ssl.h`.
const GET_TIMEOUT: c_int = 73;
/// `DTLS_CTRL_HANDLE_TIMEOUT` of `openssl/ssl.h`.
const HANDLE_TIMEOUT: c_int = 74;
/// `X509_V_ERR_CERT_REJECTED` of `openssl/x509_vfy.h`.
const CERT_REJECTED: c_int = 28;

/// A flight is repeated after this time at first (microseconds). RFC 6347 section 4.2.4.1 suggests a second and
/// allows less where delay matters, as it does before the first word of a call.
const FIRST_TIMEOUT: c_uint = 250_000;
/// The time doubles with each repetition up to this (microseconds): a peer that becomes reachable late, behind a NAT
/// or after ICE, should not wait longer. OpenSSL gives up after 12 repetitions, 36 seconds after the first.
const LONGEST_TIMEOUT: c_uint = 4_000_000;

/// `BIO_ADDR`, only passed through.
#[repr(C)]
struct BioAddr {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn DTLSv1_listen(ssl: *mut sys::SSL, client: *mut BioAddr) -> c_int;
    fn DTLS_set_timer_cb(ssl: *mut sys::SSL, callback: extern "C" fn(*mut sys::SSL, c_uint) -> c_uint);
    fn BIO_ADDR_new() -> *mut BioAddr;
    fn BIO_ADDR_free(address: *mut BioAddr);
    fn SSL_free_buffers(ssl: *mut sys::SSL) -> c_int;
}

extern "C" fn next_timeout(_ssl: *mut sys::SSL, last: c_uint) -> c_uint {
    if last == 0 { FIRST_TIMEOUT } else { last.saturating_mul(2).min(LONGEST_TIMEOUT) }
}

/// The `Ssl` inside a stream, for setters that the crate offers on `&mut SslRef`.
pub(super) fn ssl_mut<S>(stream: &mut SslStream<S>) -> &mut SslRef {
    // SAFETY: the pointer is of a live SSL owned by `stream`, which is borrowed exclusively for as long.
    unsafe { SslRef::from_ptr_mut(stream.ssl().as_ptr()) }
}

/// Bounds the certificate message of the peer, in bytes.
pub(super) fn set_max_peer_certificates(builder: &mut SslContextBuilder, bytes: u32) {
    // SAFETY: the context is live; this control takes a number and no pointer.
    unsafe { sys::SSL_CTX_ctrl(builder.as_ptr(), SET_MAX_CERT_LIST, c_long::from(bytes), ptr::null_mut()) };
}

/// Sets the retransmission times.
pub(super) fn set_timer(ssl: &mut SslRef) {
    // SAFETY: the SSL is live, and the callback is a static function that touches no memory.
    unsafe { DTLS_set_timer_cb(ssl.as_ptr(), next_timeout) };
}

/// Time until the current flight has to be repeated; `None` when none is outstanding.
pub(super) fn timeout<S>(stream: &SslStream<S>) -> Option<Duration> {
    let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: the SSL is live; the control writes a timeval where its argument points.
    let running =
        unsafe { sys::SSL_ctrl(stream.ssl().as_ptr(), GET_TIMEOUT, 0, ptr::from_mut(&mut left).cast()) };
    let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
    let micros = u64::try_from(left.tv_usec).unwrap_or(0);
    (running > 0).then(|| Duration::from_secs(seconds) + Duration::from_micros(micros))
}

/// Repeats the current flight if its time has come.
///
/// # Errors
/// It was repeated too often.
pub(super) fn handle_timeout<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is live and exclusively borrowed; this control takes no argument.
    let result = unsafe { sys::SSL_ctrl(stream.ssl().as_ptr(), HANDLE_TIMEOUT, 0, ptr::null_mut()) };
    if result < 0 { Err(ErrorStack::get()) } else { Ok(()) }
}

/// Where a stateless listener stands after a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listened {
    /// The cookie is good; the stream now carries that handshake.
    Verified,
    /// A cookie was sent, or the datagram was none to answer.
    Pending,
}

/// Looks at a ClientHello without keeping anything of it, unless its cookie is good.
///
/// # Errors
/// Out of memory.
pub(super) fn listen<S>(stream: &mut SslStream<S>) -> Result<Listened, ErrorStack> {
    // SAFETY: takes nothing; null means out of memory.
    let address = unsafe { BIO_ADDR_new() };
    if address.is_null() {
        return Err(ErrorStack::get());
    }
    // SAFETY: the SSL is live and exclusively borrowed, and so is the address, which is freed below.
    let result = unsafe { DTLSv1_listen(stream.ssl().as_ptr(), address) };
    // SAFETY: made above, and OpenSSL keeps no reference to it.
    unsafe { BIO_ADDR_free(address) };
    // What is wrong with a stranger's datagram concerns nobody; the queue of errors must not grow.
    drop(ErrorStack::get());
    Ok(if result > 0 { Listened::Verified } else { Listened::Pending })
}

/// Gives the record buffers back, about 34 KB; OpenSSL makes new ones when it next reads.
pub(super) fn free_buffers<S>(stream: &mut SslStream<S>) {
    // SAFETY: the SSL is live and exclusively borrowed. Refused by OpenSSL while a buffer holds anything.
    unsafe { SSL_free_buffers(stream.ssl().as_ptr()) };
}

/// The verification result that becomes the alert bad_certificate.
pub(super) fn certificate_rejected() -> X509VerifyResult {
    // SAFETY: any number is a valid result.
    unsafe { X509VerifyResult::from_raw(CERT_REJECTED) }
}
