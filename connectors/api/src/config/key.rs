//! Sans-I/O: the definition of one key.

use std::marker::PhantomData;

use super::Setting;

/// The types of Connect's `ConfigDef`, as the validate endpoint names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, any case.
    Boolean,
    /// 16-bit whole number.
    Short,
    /// 32-bit whole number.
    Int,
    /// 64-bit whole number.
    Long,
    /// Floating-point number.
    Double,
    /// Text.
    String,
    /// Comma-separated texts.
    List,
    /// Name of a class.
    Class,
    /// Text that is never shown.
    Password,
}

impl ConfigType {
    /// The upper-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::String => "STRING",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// How much a key matters to someone who fills in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Shown first.
    High,
    /// Shown.
    Medium,
    /// Folded away.
    Low,
}

/// How wide a form field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Unstated.
    None,
    /// A number.
    Short,
    /// A name.
    Medium,
    /// A list.
    Long,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Absence is an error.
    Required,
    /// Absence means this text.
    Default(&'static str),
    /// Absence means nothing.
    Optional,
}

/// How far a key is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Full,
    /// Only the default is accepted; any other value is an error that ends with this sentence (why, or the alternative).
    DefaultOnly(&'static str),
    /// Accepted without effect; the report says why with this sentence.
    NoEffect(&'static str),
}

/// Checks a parsed text beyond its type; the message completes "Invalid value … for configuration …: ".
pub type Validator = fn(&str) -> Result<(), String>;

/// Everything about a key but its Rust type.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The name, or a pattern such as `topic.<topic>.<keyspace>.<table>.mapping`.
    pub name: &'static str,
    /// One or two sentences for the reference page.
    pub doc: &'static str,
    /// The type.
    pub config_type: ConfigType,
    /// Required, default or optional.
    pub presence: Presence,
    /// What forms call it; the name when absent.
    pub display: Option<&'static str>,
    /// Heading in forms.
    pub group: &'static str,
    /// Position under its heading; counted in the order of definition when absent.
    pub order: Option<usize>,
    /// Importance in forms.
    pub importance: Importance,
    /// Width in forms.
    pub width: Width,
    /// Further check.
    pub validator: Option<Validator>,
    /// Values to offer.
    pub recommended: &'static [&'static str],
    /// How far it is supported.
    pub support: Support,
}

/// A key of type `T`.
#[derive(Debug)]
pub struct Key<T> {
    definition: Definition,
    value: PhantomData<fn() -> T>,
}

impl<T: Setting> Key<T> {
    /// An optional key.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            definition: Definition {
                name,
                doc,
                config_type: T::TYPE,
                presence: Presence::Optional,
                display: None,
                group: "Connector",
                order: None,
                importance: Importance::Medium,
                width: Width::Medium,
                validator: None,
                recommended: T::RECOMMENDED,
                support: Support::Full,
            },
            value: PhantomData,
        }
    }

    /// A key that must be there.
    pub const fn required(name: &'static str, doc: &'static str) -> Self {
        let mut key = Self::new(name, doc);
        key.definition.presence = Presence::Required;
        key.definition.importance = Importance::High;
        key
    }

    /// Sets the default, as text.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.definition.presence = Presence::Default(text);
        self
    }

    /// Sets the group.
    #[must_use]
    pub const fn group(mut self, group: &'static str) -> Self {
        self.definition.group = group;
        self
    }

    /// Sets what forms call it.
    #[must_use]
    pub const fn display(mut self, name: &'static str) -> Self {
        self.definition.display = Some(name);
        self
    }

    /// Sets the position under its heading, where Connect's forms have one.
    #[must_use]
    pub const fn order(mut self, order: usize) -> Self {
        self.definition.order = Some(order);
        self
    }

    /// Sets the importance.
    #[must_use]
    pub const fn importance(mut self, importance: Importance) -> Self {
        self.definition.importance = importance;
        self
    }

    /// Sets the width.
    #[must_use]
    pub const fn width(mut self, width: Width) -> Self {
        self.definition.width = width;
        self
    }

    /// Adds a check beyond the type.
    #[must_use]
    pub const fn validator(mut self, validator: Validator) -> Self {
        self.definition.validator = Some(validator);
        self
    }

    /// Offers values.
    #[must_use]
    pub const fn recommended(mut self, values: &'static [&'static str]) -> Self {
        self.definition.recommended = values;
        self
    }

    /// Accepts the default only; `sentence` says why or names the alternative.
    #[must_use]
    pub const fn default_only(mut self, sentence: &'static str) -> Self {
        self.definition.support = Support::DefaultOnly(sentence);
        self
    }

    /// Accepts any value without effect; `sentence` says why.
    #[must_use]
    pub const fn no_effect(mut self, sentence: &'static str) -> Self {
        self.definition.support = Support::NoEffect(sentence);
        self
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.definition.name
    }

    /// The definition without its type.
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }
}
