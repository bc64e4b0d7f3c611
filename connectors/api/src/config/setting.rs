//! Sans-I/O: the Rust types a key can have.

use super::{ConfigType, Secret};

/// A type a configuration text parses into.
pub trait Setting: Sized {
    /// How the validate endpoint names the type.
    const TYPE: ConfigType;
    /// Values to offer, for closed sets.
    const RECOMMENDED: &'static [&'static str] = &[];

    /// Parses trimmed text.
    ///
    /// # Errors
    /// The reason, in Connect's words: it completes "Invalid value … for configuration …: ".
    fn parse(text: &str) -> Result<Self, String>;
}

impl Setting for bool {
    const TYPE: ConfigType = ConfigType::Boolean;

    fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err("Expected value to be either true or false".into())
        }
    }
}

macro_rules! number {
    ($($rust:ty => $variant:ident),+ $(,)?) => {$(
        impl Setting for $rust {
            const TYPE: ConfigType = ConfigType::$variant;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("Not a number of type {}", ConfigType::$variant.name()))
            }
        }
    )+};
}

number!(i16 => Short, u16 => Int, i32 => Int, u32 => Int, i64 => Long, u64 => Long, f64 => Double);

impl Setting for String {
    const TYPE: ConfigType = ConfigType::String;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

/// The name of a plugin's class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName(pub String);

impl Setting for ClassName {
    const TYPE: ConfigType = ConfigType::Class;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl Setting for Secret {
    const TYPE: ConfigType = ConfigType::Password;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
}

/// Comma-separated; blanks around items go, an empty text is an empty list.
impl Setting for Vec<String> {
    const TYPE: ConfigType = ConfigType::List;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::new());
        }
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }
}

/// Implements [`Setting`] for an enum of plain variants, matched without regard to case.
///
/// ```
/// rowtide_api::setting_enum! {
///     /// How rows are inserted.
///     pub enum InsertMode { Insert = "insert", Upsert = "upsert" }
/// }
/// use rowtide_api::config::Setting;
/// assert_eq!(InsertMode::parse("UPSERT"), Ok(InsertMode::Upsert));
/// ```
#[macro_export]
macro_rules! setting_enum {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $(#[doc = concat!("`", $text, "`.")] $(#[$vdoc])* $variant),+
        }

        impl $name {
            /// The text that selects this value.
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl $crate::config::Setting for $name {
            const TYPE: $crate::config::ConfigType = $crate::config::ConfigType::String;
            const RECOMMENDED: &'static [&'static str] = &[$($text),+];

            fn parse(text: &str) -> Result<Self, String> {
                $(if text.eq_ignore_ascii_case($text) { return Ok(Self::$variant); })+
                Err(format!("String must be one of (case insensitive): {}", [$($text),+].join(", ")))
            }
        }
    };
}
