//! `encode()` and `decode()` as bare Node-API functions.
//!
//! For a small term the crossing itself is what costs: reading arguments, checking `this` and making
//! a result take longer than the codec. So parameters and results go through a block of words that both
//! sides share, and small input through the inbox.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{Object, Uint8Array, Uint32Array};
use napi::{Env, Error, JsValue, Result, Status, check_status, sys};

use crate::areas::Areas;
use crate::codec::{Codec, Delivery};
use crate::events::Message;
use crate::settings::TermFlags;

/// Words of the control block before `decode`; the same numbers stand in src/codec.ts.
mod decoding {
    pub(super) const LENGTH: usize = 0;
    pub(super) const FLAGS: usize = 1;
    pub(super) const MAX_DEPTH: usize = 2;
    pub(super) const MAX_TERMS: usize = 3;
    /// After it: whether the whole tape lies in the inbox; if not, it is to be read in parts.
    pub(super) const WHOLE: usize = 0;
}

/// Words of the control block before `text8`, `text16` and `table`.
mod reading {
    /// Where the text or the entries begin.
    pub(super) const START: usize = 0;
    /// How long the text is.
    pub(super) const LENGTH: usize = 1;
}

/// Words of the control block before `encode`.
mod encoding {
    pub(super) const FRAME: usize = 0;
    pub(super) const MAX_SIZE: usize = 1;
    /// Where in the memory for results this one may begin.
    pub(super) const AT: usize = 2;
    /// After it: how long the encoding is; it lies in the memory for results when it fits there and no
    /// binary of it is out of band.
    pub(super) const LENGTH: usize = 0;
    /// Before `gap`: the index of one that is. After it: where its bytes belong.
    pub(super) const GAP: usize = 0;
    /// After `gap`: how many these are.
    pub(super) const GAP_LENGTH: usize = 1;
}

/// Words of the control block.
const CONTROL_WORDS: usize = 8;

/// What the functions work with.
#[derive(Default)]
pub(crate) struct CodecMemory {
    codec: RefCell<Codec>,
    control: RefCell<Option<Uint32Array>>,
    pub(crate) outbox: RefCell<Option<Areas>>,
    pub(crate) inbox: RefCell<Option<Areas>>,
    pub(crate) results: RefCell<Option<Uint8Array>>,
}

impl CodecMemory {
    fn control<T>(&self, with: impl FnOnce(&mut [u32]) -> Result<T>) -> Result<T> {
        let mut control = self.control.borrow_mut();
        let control = control.as_mut().ok_or_else(detached)?;
        // SAFETY: as for `Areas::write`: this is the JavaScript thread within a call from JavaScript, and
        // the block is private to src/codec.ts.
        let words = unsafe { control.as_mut() };
        if words.len() < CONTROL_WORDS {
            return Err(detached());
        }
        with(words)
    }

    /// Decodes the bytes given, or those at the begin of the inbox.
    fn decode(&self, bytes: Option<&[u8]>) -> Result<()> {
        let mut codec = self.codec.borrow_mut();
        let mut inbox = self.inbox.borrow_mut();
        let inbox = inbox.as_mut().ok_or_else(detached)?;
        self.control(|control| {
            let options = TermFlags(control[decoding::FLAGS])
                .static_decode_options(control[decoding::MAX_DEPTH], control[decoding::MAX_TERMS]);
            let small = || inbox.read().bytes.get(..control[decoding::LENGTH] as usize);
            let bytes = bytes.or_else(small).ok_or_else(detached)?;
            codec.decode(bytes, &options).map_err(Error::from_reason)?;
            Ok(())
        })?;
        self.deliver(&mut codec, inbox)
    }

    fn deliver(&self, codec: &mut Codec, inbox: &mut Areas) -> Result<()> {
        let delivery = codec.deliver(inbox);
        self.control(|control| {
            control[decoding::WHOLE] = u32::from(delivery == Delivery::Whole);
            Ok(())
        })
    }

    /// Has the tape of a message of a call be read in parts.
    pub(crate) fn open(&self, message: Message) -> Result<()> {
        let mut inbox = self.inbox.borrow_mut();
        self.codec.borrow_mut().open(message, inbox.as_mut().ok_or_else(detached)?);
        Ok(())
    }

    fn next_part(&self) -> Result<()> {
        let mut inbox = self.inbox.borrow_mut();
        let inbox = inbox.as_mut().ok_or_else(detached)?;
        if self.codec.borrow_mut().next_part(inbox) { Ok(()) } else { Err(detached()) }
    }

    fn table(&self) -> Result<()> {
        let mut inbox = self.inbox.borrow_mut();
        let inbox = inbox.as_mut().ok_or_else(detached)?;
        self.control(|control| {
            self.codec.borrow().table(control[reading::START] as usize, inbox);
            Ok(())
        })
    }

    /// Text of the tape that is read in parts, where the control block says.
    fn text8(&self, env: sys::napi_env) -> Result<sys::napi_value> {
        let range = self.range()?;
        let codec = self.codec.borrow();
        let text = codec.tape().latin1.get(range).ok_or_else(detached)?;
        let mut string = ptr::null_mut();
        // SAFETY: `env` is that of the running call, and the text is as long as it says.
        check_status!(unsafe {
            let length = text.len() as isize;
            sys::napi_create_string_latin1(env, text.as_ptr().cast(), length, &mut string)
        })?;
        Ok(string)
    }

    /// The same for UTF-16; places are in bytes.
    fn text16(&self, env: sys::napi_env) -> Result<sys::napi_value> {
        let Range { start, end } = self.range()?;
        let codec = self.codec.borrow();
        let text = codec.tape().utf16.get(start / 2..end / 2).ok_or_else(detached)?;
        let mut string = ptr::null_mut();
        // SAFETY: as above.
        check_status!(unsafe {
            let length = text.len() as isize;
            sys::napi_create_string_utf16(env, text.as_ptr(), length, &mut string)
        })?;
        Ok(string)
    }

    /// All names of the tape that is read in parts.
    fn names(&self, env: sys::napi_env) -> Result<sys::napi_value> {
        let codec = self.codec.borrow();
        let names = &codec.tape().names;
        let mut string = ptr::null_mut();
        // SAFETY: as above.
        check_status!(unsafe {
            let length = names.len() as isize;
            sys::napi_create_string_utf8(env, names.as_ptr().cast(), length, &mut string)
        })?;
        Ok(string)
    }

    fn range(&self) -> Result<Range<usize>> {
        self.control(|control| {
            let start = control[reading::START] as usize;
            Ok(start..start.saturating_add(control[reading::LENGTH] as usize))
        })
    }

    fn close(&self) {
        self.codec.borrow_mut().close();
    }

    fn encode(&self) -> Result<()> {
        let mut codec = self.codec.borrow_mut();
        let outbox = self.outbox.borrow();
        let outbox = outbox.as_ref().ok_or_else(detached)?;
        self.control(|control| {
            let frame = control[encoding::FRAME] as usize;
            let max_size = control[encoding::MAX_SIZE] as usize;
            let at = control[encoding::AT] as usize;
            let length = codec.encode(outbox, frame, max_size).map_err(Error::from_reason)?;
            control[encoding::LENGTH] = length as u32;
            let encoded = codec.encoded();
            let mut results = self.results.borrow_mut();
            let results = results.as_mut().ok_or_else(detached)?;
            // SAFETY: the bytes from `at` on were given to nobody yet, see src/codec.ts.
            let results = unsafe { results.as_mut() };
            if let Some(target) = results.get_mut(at..).and_then(|r| r.get_mut(..encoded.len())) {
                target.copy_from_slice(encoded);
            }
            Ok(())
        })
    }

    /// Copies what was encoded last, which did not fit, to memory of that length, and leaves the places of
    /// binaries that are out of band as they are.
    fn copy_encoded(&self, target: &mut [u8]) -> Result<()> {
        let codec = self.codec.borrow();
        let (mut rest, mut target) = (codec.encoded(), target);
        let mut before = 0;
        for gap in codec.gaps() {
            let (piece, after) = rest.split_at_checked(gap.at - before).ok_or_else(detached)?;
            let (to, left) = target.split_at_mut_checked(piece.len()).ok_or_else(detached)?;
            to.copy_from_slice(piece);
            target = left.get_mut(gap.length..).ok_or_else(detached)?;
            (rest, before) = (after, gap.at);
        }
        if target.len() != rest.len() {
            return Err(detached());
        }
        target.copy_from_slice(rest);
        Ok(())
    }

    /// Where the bytes of a binary belong that is out of band.
    fn gap(&self) -> Result<()> {
        let codec = self.codec.borrow();
        self.control(|control| {
            let index = control[encoding::GAP];
            let mut left_out = 0;
            for gap in codec.gaps() {
                if gap.index == index {
                    control[encoding::GAP] = (gap.at + left_out) as u32;
                    control[encoding::GAP_LENGTH] = gap.length as u32;
                    return Ok(());
                }
                left_out += gap.length;
            }
            Err(detached())
        })
    }
}

/// Adds the functions to `target`, and takes `control` as the block of parameters and results.
pub(crate) fn install(
    env: Env,
    memory: &Rc<CodecMemory>,
    target: &Object<'_>,
    control: Uint32Array,
) -> Result<()> {
    memory.control.replace(Some(control));
    let functions: [(&std::ffi::CStr, sys::napi_callback); 11] = [
        (c"decode", Some(decode)),
        (c"decodeBytes", Some(decode_bytes)),
        (c"nextPart", Some(next_part)),
        (c"table", Some(table)),
        (c"names", Some(names)),
        (c"text8", Some(text8)),
        (c"text16", Some(text16)),
        (c"close", Some(close)),
        (c"encode", Some(encode)),
        (c"copyEncoded", Some(copy_encoded)),
        (c"gap", Some(gap)),
    ];
    for (name, callback) in functions {
        let data = Rc::into_raw(Rc::clone(memory)).cast_mut().cast();
        let mut function = ptr::null_mut();
        // SAFETY: all pointers are valid for the calls; the function owns one reference to the memory,
        // which `release` gives back when the function is collected. Were a call to fail, a reference
        // would leak, no more.
        unsafe {
            check_status!(sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                name.count_bytes() as isize,
                callback,
                data,
                &mut function,
            ))?;
            check_status!(sys::napi_add_finalizer(
                env.raw(),
                function,
                data,
                Some(release),
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

unsafe extern "C" fn release(
    _: sys::napi_env,
    data: *mut std::ffi::c_void,
    _: *mut std::ffi::c_void,
) {
    // SAFETY: the pointer comes from `Rc::into_raw` in `install`, and this runs once for it.
    drop(unsafe { Rc::from_raw(data.cast::<CodecMemory>()) });
}

unsafe extern "C" fn decode(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: Node-API calls this with a valid environment and info.
    unsafe { call(env, info, |memory, _| memory.decode(None).map(nothing)) }
}

unsafe extern "C" fn decode_bytes(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, bytes| memory.decode(Some(bytes()?)).map(nothing)) }
}

unsafe extern "C" fn next_part(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.next_part().map(nothing)) }
}

unsafe extern "C" fn table(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.table().map(nothing)) }
}

unsafe extern "C" fn names(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.names(env)) }
}

unsafe extern "C" fn text8(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.text8(env)) }
}

unsafe extern "C" fn text16(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.text16(env)) }
}

unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe {
        call(env, info, |memory, _| {
            memory.close();
            Ok(nothing(()))
        })
    }
}

unsafe extern "C" fn encode(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.encode().map(nothing)) }
}

unsafe extern "C" fn gap(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, _| memory.gap().map(nothing)) }
}

unsafe extern "C" fn copy_encoded(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: as above.
    unsafe { call(env, info, |memory, bytes| memory.copy_encoded(bytes()?).map(nothing)) }
}

/// What functions return that return nothing.
fn nothing((): ()) -> sys::napi_value {
    ptr::null_mut()
}

/// Calls `function` with the memory and a way to the bytes of the first argument. A failure becomes an
/// exception, and so does a panic.
///
/// # Safety
///
/// `env` and `info` are those of a call of a function that `install` has made.
unsafe fn call<'a>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    function: impl FnOnce(&CodecMemory, &dyn Fn() -> Result<&'a mut [u8]>) -> Result<sys::napi_value>,
) -> sys::napi_value {
    let mut data = ptr::null_mut();
    let mut count = 1;
    let mut argument = ptr::null_mut();
    // SAFETY: the pointers are valid, and there is room for as many arguments as `count` says.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, &mut argument, ptr::null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `data` is what `install` gave the function, which holds a reference to it.
    let memory = unsafe { &*data.cast::<CodecMemory>() };
    // SAFETY: `argument` is a value of this call.
    let bytes = || unsafe { bytes_of(env, argument) };
    let outcome = catch_unwind(AssertUnwindSafe(|| function(memory, &bytes)))
        .unwrap_or_else(|_| Err(Error::from_reason("the codec panicked")));
    outcome.unwrap_or_else(|error| {
        // A message never has a NUL; if it had, an empty one would do.
        let message = std::ffi::CString::new(error.reason.as_bytes()).unwrap_or_default();
        // SAFETY: the strings are valid and end with NUL.
        unsafe { sys::napi_throw_error(env, ptr::null(), message.as_ptr()) };
        ptr::null_mut()
    })
}

/// The memory of a Uint8Array.
///
/// # Safety
///
/// `value` is a value of the running call. src/codec.ts passes arrays that nobody else can touch
/// meanwhile: this is the JavaScript thread, and memory shared with other threads is copied before.
unsafe fn bytes_of<'a>(env: sys::napi_env, value: sys::napi_value) -> Result<&'a mut [u8]> {
    let mut kind = 0;
    let mut length = 0;
    let mut data = ptr::null_mut();
    // SAFETY: the pointers are valid; null is allowed for what is not wanted.
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
    // SAFETY: Node-API gave pointer and length of memory that lives as long as the array, and the array
    // lives during the call.
    Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), length) })
}

fn detached() -> Error {
    Error::from_reason("the codec has no memory attached")
}
