//! AddressSanitizer must report this; otherwise it is not loaded.

#[used]
#[unsafe(link_section = ".init_array")]
static READ_AFTER_FREE: extern "C" fn() = {
    extern "C" fn read_after_free() {
        let freed = Box::into_raw(Box::new(7u8));
        // SAFETY: the first line is sound; the second is the fault to find.
        unsafe {
            drop(Box::from_raw(freed));
            std::hint::black_box(std::ptr::read_volatile(freed));
        }
    }
    read_after_free
};
