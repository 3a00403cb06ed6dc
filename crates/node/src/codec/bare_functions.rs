//! Bare Node-API functions over memory that Rust and JavaScript share.
//!
//! For small terms the crossing dominates: reading arguments, checking `this` and making a result
//! take longer than the codec. So parameters and results go through shared words, and each function
//! takes at most one argument.

use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::Object;
use napi::{Env, Error, JsValue, Result, Status, check_status, sys};

/// Adds functions over `memory` to `target`. Each callback must pass its arguments to [`call`] with
/// the same `Memory`.
pub(crate) fn install<Memory>(
    env: Env,
    memory: &Rc<Memory>,
    target: &Object<'_>,
    functions: &[(&CStr, sys::napi_callback)],
) -> Result<()> {
    for (name, callback) in functions {
        let data = Rc::into_raw(Rc::clone(memory)).cast_mut().cast();
        let mut function = ptr::null_mut();
        // SAFETY: all pointers are valid for the calls. The function owns one reference to the
        // memory, which `release` drops when the function is collected. If a call fails, only that
        // reference leaks.
        unsafe {
            check_status!(sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                name.count_bytes() as isize,
                *callback,
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
    // SAFETY: the pointer comes from `Rc::into_raw` in `install`, and this runs once for it.
    drop(unsafe { Rc::from_raw(data.cast::<Memory>()) });
}

/// Calls `function` with the memory and a way to read the bytes of the first argument. Failures and
/// panics become exceptions.
///
/// # Safety
///
/// `env` and `info` must come from a call of a function that [`install`] made for this `Memory`.
pub(crate) unsafe fn call<'a, Memory>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    function: impl FnOnce(&Memory, &dyn Fn() -> Result<&'a mut [u8]>) -> Result<sys::napi_value>,
) -> sys::napi_value {
    let mut data = ptr::null_mut();
    let mut count = 1;
    let mut argument = ptr::null_mut();
    // SAFETY: the pointers are valid, and there is room for `count` arguments.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, &mut argument, ptr::null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `data` is what `install` gave the function, which holds a reference to it.
    let memory = unsafe { &*data.cast::<Memory>() };
    // SAFETY: `argument` is a value of this call.
    let bytes = || unsafe { bytes_of(env, argument) };
    let outcome = catch_unwind(AssertUnwindSafe(|| function(memory, &bytes)))
        .unwrap_or_else(|_| Err(Error::from_reason("the codec panicked")));
    outcome.unwrap_or_else(|error| {
        // Messages contain no NUL; otherwise the text is empty.
        let message = CString::new(error.reason.as_bytes()).unwrap_or_default();
        // SAFETY: the strings are valid and end with NUL.
        unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr()) };
        ptr::null_mut()
    })
}

/// `undefined`.
pub(crate) fn nothing((): ()) -> sys::napi_value {
    ptr::null_mut()
}

/// The memory of a Uint8Array.
///
/// # Safety
///
/// `value` must belong to the running call. TypeScript passes arrays that nothing else touches
/// meanwhile: this is the JavaScript thread, and memory shared with other threads is copied before.
unsafe fn bytes_of<'a>(env: sys::napi_env, value: sys::napi_value) -> Result<&'a mut [u8]> {
    let mut kind = 0;
    let mut length = 0;
    let mut data = ptr::null_mut();
    // SAFETY: the pointers are valid; null is allowed for unused results.
    check_status!(unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
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
