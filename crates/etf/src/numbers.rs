//! Numbers that `tests/typescript.rs` copies to TypeScript.

/// A number in both languages.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    pub name: &'static str,
    pub value: u32,
}

/// Defines constants and a table of them.
///
/// ```
/// backwater_etf::numbers! {
///     /// Kinds of fruit.
///     pub const FRUIT {
///         APPLE = 1;
///         /// Not a vegetable.
///         TOMATO = APPLE + 1;
///     }
/// }
/// assert_eq!(TOMATO, 2);
/// assert_eq!(FRUIT[1].name, "TOMATO");
/// ```
#[macro_export]
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        $visibility:vis const $table:ident {
            $($(#[$doc:meta])* $name:ident = $value:expr;)*
        }
    ) => {
        $(
            $(#[$doc])*
            $visibility const $name: u32 = $value;
        )*

        $(#[$meta])*
        #[allow(dead_code, reason = "for the TypeScript generator")]
        $visibility const $table: &[$crate::Number] = &[
            $($crate::Number { name: stringify!($name), value: $name }),*
        ];
    };
}
