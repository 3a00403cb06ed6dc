use std::ptr;

use napi::bindgen_prelude::{Function, Object};
use napi::{Env, JsValue, Result, check_status, sys};
use napi_derive::napi;

/// Calls `run` outside every async resource and `AsyncLocalStorage`.
#[napi(catch_unwind)]
pub fn run_at_root(env: Env, resource: Object<'_>, run: Function<'_, (), ()>) -> Result<()> {
    let mut result = ptr::null_mut();
    // SAFETY: all three belong to `env`, whose thread this is; no context means the root, and `run`
    // takes no arguments. A throw stays pending for the caller.
    check_status!(unsafe {
        sys::napi_make_callback(
            env.raw(),
            ptr::null_mut(),
            resource.raw(),
            run.raw(),
            0,
            ptr::null(),
            &mut result,
        )
    })
}
