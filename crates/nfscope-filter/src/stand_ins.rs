//! Stand-ins for libpcap's capture back ends, for static linking.
//!
//! `pcap_open_dead` lives in the same object of `libpcap.a` as `pcap_create`,
//! whose table of capture sources names every back end: Bluetooth, D-Bus,
//! netfilter, RDMA, USB and the packet socket, with the libraries that those
//! need. Only filters are compiled here and no device is ever opened, so these
//! functions are never called. Defining them keeps the back ends, and with them
//! libdbus and libibverbs, out of the program.
//!
//! The functions and signatures are those of libpcap's `pcap-bt-linux.h`,
//! `pcap-bt-monitor-linux.h`, `pcap-dbus.h`, `pcap-netfilter-linux.h`,
//! `pcap-rdmasniff.h`, `pcap-usb-linux.h` and `pcap-int.h`.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

/// `PCAP_ERROR` of `pcap/pcap.h`.
const PCAP_ERROR: c_int = -1;

macro_rules! back_end {
    ($create:ident, $find:ident) => {
        /// `pcap_t *create(const char *device, char *ebuf, int *is_ours)`: never ours.
        #[unsafe(no_mangle)]
        extern "C" fn $create(
            _device: *const c_char,
            _message: *mut c_char,
            is_ours: *mut c_int,
        ) -> *mut c_void {
            if !is_ours.is_null() {
                // SAFETY: libpcap passes the address of a local variable.
                unsafe { *is_ours = 0 };
            }
            null_mut()
        }

        /// `int find(pcap_if_list_t *devices, char *errbuf)`: adds nothing.
        #[unsafe(no_mangle)]
        extern "C" fn $find(_devices: *mut c_void, _message: *mut c_char) -> c_int {
            0
        }
    };
}

back_end!(bt_create, bt_findalldevs);
back_end!(bt_monitor_create, bt_monitor_findalldevs);
back_end!(dbus_create, dbus_findalldevs);
back_end!(netfilter_create, netfilter_findalldevs);
back_end!(rdmasniff_create, rdmasniff_findalldevs);
back_end!(usb_create, usb_findalldevs);

/// `pcap_t *pcap_create_interface(const char *device, char *ebuf)`: refuses.
#[unsafe(no_mangle)]
extern "C" fn pcap_create_interface(_device: *const c_char, message: *mut c_char) -> *mut c_void {
    if !message.is_null() {
        // SAFETY: libpcap passes a buffer of PCAP_ERRBUF_SIZE (256) bytes.
        unsafe { *message = 0 };
    }
    null_mut()
}

/// `int pcap_platform_finddevs(pcap_if_list_t *devices, char *errbuf)`: refuses.
#[unsafe(no_mangle)]
extern "C" fn pcap_platform_finddevs(_devices: *mut c_void, message: *mut c_char) -> c_int {
    if !message.is_null() {
        // SAFETY: libpcap passes a buffer of PCAP_ERRBUF_SIZE (256) bytes.
        unsafe { *message = 0 };
    }
    PCAP_ERROR
}

/// Makes the linker take this object before it looks into `libpcap.a`: an archive
/// member is taken only for a symbol that is still missing at that point.
pub(crate) fn link() {
    let used: [*const (); 3] = [
        usb_create as *const (),
        pcap_create_interface as *const (),
        pcap_platform_finddevs as *const (),
    ];
    std::hint::black_box(used);
}
