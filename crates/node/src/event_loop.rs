//! Whether the event loop of an environment has something to do.

use napi::Env;

/// The event loop of Node.js, libuv's, as its descriptor shows it.
pub(crate) struct EventLoop {
    /// What epoll waits on; ready when one of the descriptors in it is.
    #[cfg(target_os = "linux")]
    descriptor: std::os::fd::RawFd,
}

#[cfg(target_os = "linux")]
impl EventLoop {
    /// The loop of an environment of Node.js; `None` where there is no such thing.
    pub(crate) fn of(env: &Env) -> Option<Self> {
        type BackendFd = unsafe extern "C" fn(*const napi::sys::uv_loop_s) -> libc::c_int;
        let uv_loop = env.get_uv_event_loop().ok().filter(|uv_loop| !uv_loop.is_null())?;
        // Looked up instead of linked, so that the addon loads where there is no libuv.
        // SAFETY: the name ends with NUL, and nothing else is asked of the arguments.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"uv_backend_fd".as_ptr()) };
        if symbol.is_null() {
            return None;
        }
        // SAFETY: a function of this name and type is a part of libuv's stable interface.
        let backend_fd = unsafe { std::mem::transmute::<*mut libc::c_void, BackendFd>(symbol) };
        // SAFETY: the loop is the environment's own, which lives and whose thread this is.
        let descriptor = unsafe { backend_fd(uv_loop) };
        (descriptor >= 0).then_some(Self { descriptor })
    }

    /// Whether a socket, a pipe or another thread has something for the loop. Timers are not seen.
    pub(crate) fn has_work(&self) -> bool {
        let mut polled = libc::pollfd { fd: self.descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: it is given one element, which it may write to until it returns; it does not wait. A
        // descriptor that has been closed is reported in that element.
        unsafe { libc::poll(&raw mut polled, 1, 0) != 0 }
    }
}

#[cfg(not(target_os = "linux"))]
impl EventLoop {
    /// Nothing is known of it on this system.
    pub(crate) fn of(_env: &Env) -> Option<Self> {
        None
    }

    pub(crate) fn has_work(&self) -> bool {
        false
    }
}
