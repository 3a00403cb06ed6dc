//! Whether the event loop of an environment has other work.

use napi::Env;

pub(crate) struct EventLoop {
    /// libuv's epoll descriptor, which is ready when any descriptor in it is.
    #[cfg(target_os = "linux")]
    descriptor: std::os::fd::RawFd,
}

#[cfg(target_os = "linux")]
impl EventLoop {
    pub(crate) fn of(env: &Env) -> Option<Self> {
        type BackendFd = unsafe extern "C" fn(*const napi::sys::uv_loop_s) -> libc::c_int;
        let uv_loop = env.get_uv_event_loop().ok().filter(|uv_loop| !uv_loop.is_null())?;
        // Looked up instead of linked, so that the addon loads without libuv.
        // SAFETY: the name ends with NUL.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"uv_backend_fd".as_ptr()) };
        if symbol.is_null() {
            return None;
        }
        // SAFETY: libuv's stable interface has a function of this name and type.
        let backend_fd = unsafe { std::mem::transmute::<*mut libc::c_void, BackendFd>(symbol) };
        // SAFETY: the loop belongs to the live environment whose thread this is.
        let descriptor = unsafe { backend_fd(uv_loop) };
        (descriptor >= 0).then_some(Self { descriptor })
    }

    /// Sees sockets, pipes and other threads, but not timers.
    pub(crate) fn has_work(&self) -> bool {
        let mut polled = libc::pollfd { fd: self.descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: poll does not wait, and writes only to this element, even if the descriptor is
        // closed.
        unsafe { libc::poll(&raw mut polled, 1, 0) != 0 }
    }
}

#[cfg(not(target_os = "linux"))]
impl EventLoop {
    pub(crate) fn of(_env: &Env) -> Option<Self> {
        None
    }

    pub(crate) fn has_work(&self) -> bool {
        false
    }
}
