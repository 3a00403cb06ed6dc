//! Bare Node-API functions over memory that Rust and JavaScript share.
//!
//! For small terms, reading arguments and making a result take longer than the codec. So parameters
//! and results go through shared words, and each function takes at most one argument.

use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::Object;
use napi::{Env, Error, JsValue, Result, Status, check_status, sys};

/// Failures and panics become exceptions.
pub(crate) type Function<Memory> = fn(&Memory, &mut Call) -> Result<sys::napi_value>;

struct Bound<Memory> {
    memory: Rc<Memory>,
    function: Function<Memory>,
}

pub(crate) fn install<Memory>(
    env: Env,
    memory: &Rc<Memory>,
    target: &Object<'_>,
    functions: &[(&CStr, Function<Memory>)],
) -> Result<()> {
    for (name, function) in functions {
        let bound = Box::new(Bound { memory: Rc::clone(memory), function: *function });
        let data = Box::into_raw(bound).cast();
        let mut function = ptr::null_mut();
        // SAFETY: all pointers are valid for the calls. The function owns its data, which `release`
        // drops when the function is collected. If a call fails, only the data leaks.
        unsafe {
            check_status!(sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                name.count_bytes() as isize,
                Some(call::<Memory>),
                data,
                &mut function,
            ))?;
            check_status!(sys::napi_add_finalizer(
                env.raw(),
                function,
                data,
                Some(release::<Memory>),
                ptr::null_mut(),
                ptr::null_mut(),
            ))?;
            check_status!(sys::napi_set_named_property(
                env.raw(),
                target.raw(),
                name.as_ptr(),
                function,
            ))?;
        }
    }
    Ok(())
}

unsafe extern "C" fn release<Memory>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the pointer comes from `Box::into_raw` in `install`, and this runs once for it.
    drop(unsafe { Box::from_raw(data.cast::<Bound<Memory>>()) });
}

unsafe extern "C" fn call<Memory>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let mut data = ptr::null_mut();
    let mut count = 1;
    let mut argument = ptr::null_mut();
    // SAFETY: Node-API passes a valid environment and info, the other pointers are valid, and there
    // is room for `count` arguments.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, &mut argument, ptr::null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `data` is what `install` gave the function, which owns it.
    let Bound { memory, function } = unsafe { &*data.cast::<Bound<Memory>>() };
    let mut call = Call { env, argument };
    let outcome = catch_unwind(AssertUnwindSafe(|| function(memory, &mut call)))
        .unwrap_or_else(|_| Err(Error::from_reason("the codec panicked")));
    outcome.unwrap_or_else(|error| {
        // Messages contain no NUL.
        let message = CString::new(error.reason.as_bytes()).unwrap_or_default();
        // SAFETY: the strings are valid and end with NUL.
        unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr()) };
        ptr::null_mut()
    })
}

pub(crate) fn nothing((): ()) -> sys::napi_value {
    ptr::null_mut()
}

pub(crate) struct Call {
    env: sys::napi_env,
    argument: sys::napi_value,
}

impl Call {
    pub(crate) fn env(&self) -> sys::napi_env {
        self.env
    }

    /// The memory of a Uint8Array. Nothing else touches it meanwhile, because this is the JavaScript
    /// thread, and TypeScript copies memory shared with other threads.
    pub(crate) fn bytes(&mut self) -> Result<&mut [u8]> {
        let mut kind = 0;
        let mut length = 0;
        let mut data = ptr::null_mut();
        // SAFETY: the argument belongs to the running call, and the pointers are valid; null is
        // allowed for unused results.
        check_status!(unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.argument,
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })?;
        if kind != sys::TypedarrayType::uint8_array {
            return Err(Error::new(Status::InvalidArg, "not a Uint8Array"));
        }
        if length == 0 {
            return Ok(&mut []);
        }
        // SAFETY: Node-API gave pointer and length of memory that lives as long as the array, which
        // lives during the call.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), length) })
    }
}
