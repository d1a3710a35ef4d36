//! Where Rust meets libvirt's C without the `virt` crate between them: events of domains, the end
//! of a connection, the states of all domains at once, and addresses of guests.
//!
//! This is the only file that may leave what the compiler checks. What it relies on:
//!
//! - libvirt keeps what it was given as `opaque` until it calls the function to free it, once, and
//!   calls back no more after that. So a listener lives as long as libvirt may call it.
//! - It calls back on the thread of the event loop, one call at a time; a listener is `Sync` still.
//! - What it hands to a callback is valid until the callback returns, and text ends with a zero.
//! - A callback never unwinds: a listener that panics is caught.

#![expect(
    unsafe_code,
    reason = "the virt crate binds neither events nor the records of statistics"
)]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::mem::transmute;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null_mut, slice_from_raw_parts};
use std::sync::Arc;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

use crate::events::{Happened, Hint, ViewerIs};

/// Called on the thread of the event loop: it must not wait, nor ask libvirt anything.
pub(crate) type Listener = Arc<dyn Fn(Hint) + Send + Sync>;

/// While it is there, everything that happens on its connection is told.
pub(crate) struct Listening<'a> {
    connect: &'a Connect,
    callbacks: Vec<c_int>,
}

impl<'a> Listening<'a> {
    pub(crate) fn new(connect: &'a Connect, listener: &Listener) -> Result<Self, Error> {
        let mut listening = Self { connect, callbacks: Vec::new() };
        for (event, callback) in callbacks() {
            let opaque = Box::into_raw(Box::new(Arc::clone(listener))).cast::<c_void>();
            // SAFETY: the connection is open for as long as it is borrowed. The callback is of the
            // type that libvirt has for this event, and finds behind `opaque` what it expects.
            let id = unsafe {
                sys::virConnectDomainEventRegisterAny(
                    connect.as_ptr(),
                    null_mut(),
                    event,
                    callback,
                    opaque,
                    Some(free),
                )
            };
            if id < 0 {
                let error = Error::last_error();
                // SAFETY: libvirt has not taken it, so it is still ours, and this is its only end.
                unsafe { free(opaque) };
                return Err(error);
            }
            listening.callbacks.push(id);
        }
        listening.hear_the_end(listener)?;
        Ok(listening)
    }

    fn hear_the_end(&self, listener: &Listener) -> Result<(), Error> {
        let opaque = Box::into_raw(Box::new(Arc::clone(listener))).cast::<c_void>();
        let connect = self.connect.as_ptr();
        // SAFETY: as above.
        let registered = unsafe {
            sys::virConnectRegisterCloseCallback(connect, Some(closed), opaque, Some(free))
        };
        if registered < 0 {
            let error = Error::last_error();
            // SAFETY: as above.
            unsafe { free(opaque) };
            return Err(error);
        }
        Ok(())
    }
}

impl Drop for Listening<'_> {
    /// Without this the connection would stay open: each callback holds it.
    fn drop(&mut self) {
        let connect = self.connect.as_ptr();
        for id in &self.callbacks {
            // SAFETY: the connection is open, and the callback was registered on it. A refusal
            // means that it is gone already.
            unsafe { sys::virConnectDomainEventDeregisterAny(connect, *id) };
        }
        // SAFETY: the same.
        unsafe { sys::virConnectUnregisterCloseCallback(connect, Some(closed)) };
    }
}

type Callback = sys::virConnectDomainEventGenericCallback;

/// libvirt takes each callback as one of a general type, and calls it as what it really is.
fn callbacks() -> [(c_int, Callback); 9] {
    // The types that libvirt's header has for them, so that the compiler compares.
    use sys::virConnectDomainEventAgentLifecycleCallback as Agent;
    use sys::virConnectDomainEventBalloonChangeCallback as Balloon;
    use sys::virConnectDomainEventCallback as Lifecycle;
    use sys::virConnectDomainEventGraphicsCallback as Graphics;
    use sys::virConnectDomainEventIOErrorReasonCallback as IoError;
    use sys::virConnectDomainEventMetadataChangeCallback as Metadata;
    use sys::virConnectDomainEventPMSuspendCallback as Asleep;
    use sys::virConnectDomainEventTrayChangeCallback as Tray;
    // SAFETY: each is a pointer to a function. libvirt calls it as the type that is named here,
    // which is the one that its header has for the number beside it.
    let callbacks = unsafe {
        [
            (sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, transmute::<Lifecycle, Callback>(Some(lifecycle))),
            (sys::VIR_DOMAIN_EVENT_ID_REBOOT, Some(reboot as _)),
            (sys::VIR_DOMAIN_EVENT_ID_GRAPHICS, transmute::<Graphics, Callback>(Some(graphics))),
            (
                sys::VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                transmute::<IoError, Callback>(Some(io_error)),
            ),
            (
                sys::VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
                transmute::<Balloon, Callback>(Some(balloon)),
            ),
            (sys::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, transmute::<Agent, Callback>(Some(agent))),
            (
                sys::VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                transmute::<Metadata, Callback>(Some(metadata)),
            ),
            (sys::VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, transmute::<Tray, Callback>(Some(tray))),
            (sys::VIR_DOMAIN_EVENT_ID_PMSUSPEND, transmute::<Asleep, Callback>(Some(asleep))),
        ]
    };
    callbacks.map(|(event, callback)| (id(event), callback))
}

fn id(event: sys::virDomainEventID) -> c_int {
    c_int::try_from(event).unwrap_or(c_int::MAX)
}

/// # Safety
/// `opaque` is what [`Listening`] has made of a listener, and nobody uses it after this.
unsafe extern "C" fn free(opaque: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, as this type.
    drop(unsafe { Box::from_raw(opaque.cast::<Listener>()) });
}

/// # Safety
/// `opaque` is a listener that was not freed yet.
unsafe fn tell(opaque: *mut c_void, hint: Hint) {
    // SAFETY: it is the listener's box, which is freed after the last callback.
    let listener = unsafe { &*opaque.cast::<Listener>() };
    let _ = catch_unwind(AssertUnwindSafe(|| listener(hint)));
}

/// # Safety
/// Both are as libvirt hands them to a callback.
unsafe fn tell_of(domain: sys::virDomainPtr, opaque: *mut c_void, happened: Happened) {
    let mut bytes = [0_u8; 16];
    // SAFETY: the domain is valid for now, and there is room for the 16 bytes of a UUID.
    let got = unsafe { sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) };
    let hint = if got < 0 { Hint::All } else { Hint::Domain(Uuid::from_bytes(bytes), happened) };
    // SAFETY: handed on.
    unsafe { tell(opaque, hint) };
}

/// # Safety
/// It is null, or text that ends with a zero.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: handed on.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn closed(_: sys::virConnectPtr, _: c_int, opaque: *mut c_void) {
    // SAFETY: as libvirt hands it over.
    unsafe { tell(opaque, Hint::Gone) };
}

unsafe extern "C" fn lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    _: c_int,
    opaque: *mut c_void,
) -> c_int {
    let happened = match c_uint::try_from(event).unwrap_or(c_uint::MAX) {
        sys::VIR_DOMAIN_EVENT_DEFINED => Some(Happened::Defined),
        sys::VIR_DOMAIN_EVENT_UNDEFINED => Some(Happened::Undefined),
        sys::VIR_DOMAIN_EVENT_STARTED => Some(Happened::Started),
        sys::VIR_DOMAIN_EVENT_SUSPENDED => Some(Happened::Paused),
        sys::VIR_DOMAIN_EVENT_RESUMED => Some(Happened::Resumed),
        sys::VIR_DOMAIN_EVENT_STOPPED => Some(Happened::Stopped),
        sys::VIR_DOMAIN_EVENT_SHUTDOWN => Some(Happened::ShutDown),
        sys::VIR_DOMAIN_EVENT_PMSUSPENDED => Some(Happened::Asleep),
        sys::VIR_DOMAIN_EVENT_CRASHED => Some(Happened::Crashed),
        _ => None,
    };
    if let Some(happened) = happened {
        // SAFETY: as libvirt hands them over.
        unsafe { tell_of(domain, opaque, happened) };
    }
    0
}

unsafe extern "C" fn reboot(_: sys::virConnectPtr, domain: sys::virDomainPtr, opaque: *mut c_void) {
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Rebooted) };
}

unsafe extern "C" fn graphics(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    phase: c_int,
    _: *const sys::virDomainEventGraphicsAddress,
    _: *const sys::virDomainEventGraphicsAddress,
    _: *const c_char,
    _: *const sys::virDomainEventGraphicsSubject,
    opaque: *mut c_void,
) {
    let viewer = match c_uint::try_from(phase).unwrap_or(c_uint::MAX) {
        sys::VIR_DOMAIN_EVENT_GRAPHICS_CONNECT => ViewerIs::Connected,
        sys::VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE => ViewerIs::SignedIn,
        _ => ViewerIs::Gone,
    };
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Viewer(viewer)) };
}

unsafe extern "C" fn io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: *const c_char,
    alias: *const c_char,
    _: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as libvirt hands them over.
    unsafe {
        let happened = Happened::IoError { disk: text(alias), reason: text(reason) };
        tell_of(domain, opaque, happened);
    }
}

unsafe extern "C" fn balloon(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    kib: c_ulonglong,
    opaque: *mut c_void,
) {
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Balloon { kib }) };
}

unsafe extern "C" fn agent(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    state: c_int,
    _: c_int,
    opaque: *mut c_void,
) {
    let is_connected = c_uint::try_from(state).unwrap_or_default()
        == sys::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
    let happened = if is_connected { Happened::AgentConnected } else { Happened::AgentGone };
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, happened) };
}

unsafe extern "C" fn metadata(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: c_int,
    _: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Marked) };
}

unsafe extern "C" fn tray(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: *const c_char,
    _: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Tray) };
}

unsafe extern "C" fn asleep(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as libvirt hands them over.
    unsafe { tell_of(domain, opaque, Happened::Asleep) };
}

/// A domain's state and the reason for it, as libvirt numbers them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawState {
    pub(crate) uuid: Uuid,
    pub(crate) state: c_int,
    pub(crate) reason: c_int,
}

/// All domains at once, waiting for none of them.
///
/// The crate's own call leaves unread what the records say, and never frees them.
pub(crate) fn states(connect: &Connect) -> Result<Vec<RawState>, Error> {
    let mut records: *mut sys::virDomainStatsRecordPtr = null_mut();
    // SAFETY: the connection is open, and there is room for one pointer to the records.
    let count = unsafe {
        sys::virConnectGetAllDomainStats(
            connect.as_ptr(),
            sys::VIR_DOMAIN_STATS_STATE,
            &raw mut records,
            sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
        )
    };
    let Ok(count) = usize::try_from(count) else { return Err(Error::last_error()) };
    if records.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: libvirt says how many there are, and that each is valid until the list is freed.
    let all = unsafe { &*slice_from_raw_parts(records, count) };
    // SAFETY: the same.
    let states = all.iter().filter_map(|record| unsafe { state(*record) }).collect();
    // SAFETY: it is the list that was made above, and nothing of it is used any more.
    unsafe { sys::virDomainStatsRecordListFree(records) };
    Ok(states)
}

/// # Safety
/// It is a record of a list that was not freed yet.
unsafe fn state(record: sys::virDomainStatsRecordPtr) -> Option<RawState> {
    let mut uuid = [0_u8; 16];
    let (mut state, mut reason): (c_int, c_int) = (0, 0);
    // SAFETY: the record's parts are valid as long as the list. There is room for a UUID and for
    // two numbers.
    unsafe {
        let record = &*record;
        let (params, count) = (record.params, record.nparams);
        let names = [sys::VIR_DOMAIN_STATS_STATE_STATE, sys::VIR_DOMAIN_STATS_STATE_REASON];
        if sys::virDomainGetUUID(record.dom, uuid.as_mut_ptr()) < 0
            || sys::virTypedParamsGetInt(params, count, names[0].as_ptr(), &raw mut state) < 1
        {
            return None;
        }
        sys::virTypedParamsGetInt(params, count, names[1].as_ptr(), &raw mut reason);
    }
    Some(RawState { uuid: Uuid::from_bytes(uuid), state, reason })
}

unsafe extern "C" {
    #[link_name = "free"]
    fn release(list: *mut c_void);
}

/// Who may know a guest's addresses without asking it.
pub(crate) const ADDRESSES_BY: [c_uint; 2] =
    [sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP];

/// The crate's own call never frees the cards.
pub(crate) fn addresses(domain: &Domain, by: c_uint) -> Result<Vec<IpAddr>, Error> {
    let mut cards: *mut sys::virDomainInterfacePtr = null_mut();
    // SAFETY: the domain is held, and there is room for one pointer to the cards.
    let count = unsafe { sys::virDomainInterfaceAddresses(domain.as_ptr(), &raw mut cards, by, 0) };
    let Ok(count) = usize::try_from(count) else { return Err(Error::last_error()) };
    if cards.is_null() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    // SAFETY: libvirt says how many there are, and that each and its texts are valid until it is
    // freed, here, once; the list of them, which is from malloc, goes last.
    unsafe {
        for card in &*slice_from_raw_parts(cards, count) {
            let (of_card, count) = ((**card).addrs, (**card).naddrs);
            for at in (0..count).filter_map(|at| usize::try_from(at).ok()) {
                let text = CStr::from_ptr((*of_card.add(at)).addr).to_str();
                found.extend(text.ok().and_then(|text| text.parse::<IpAddr>().ok()));
            }
            sys::virDomainInterfaceFree(*card);
        }
        release(cards.cast());
    }
    Ok(found)
}
