//! What AddressSanitizer has to report when it is loaded: otherwise it would report nothing at all.

#[used]
#[unsafe(link_section = ".init_array")]
static READ_AFTER_FREE: extern "C" fn() = {
    extern "C" fn read_after_free() {
        let freed = Box::into_raw(Box::new(7u8));
        // SAFETY: the first line is sound, the second is the fault that is meant to be found.
        unsafe {
            drop(Box::from_raw(freed));
            std::hint::black_box(std::ptr::read_volatile(freed));
        }
    }
    read_after_free
};
