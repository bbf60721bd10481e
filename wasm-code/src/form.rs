//! What rewritten code is like.

/// What an engine has to know about rewritten code to call it, as one byte of its artifact. The
/// code itself does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// Nothing more is to be known.
    Plain = 0,
    /// The code has a start function under a name of its own.
    WithStart = 1,
    /// The code counts its gas.
    Metered = 2,
    /// Both.
    MeteredWithStart = 3,
}

impl Form {
    const ALL: [Self; 4] = [Self::Plain, Self::WithStart, Self::Metered, Self::MeteredWithStart];

    /// As a byte.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// From a byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.byte() == byte)
    }

    pub(crate) fn new(has_start: bool, is_metered: bool) -> Self {
        match (has_start, is_metered) {
            (false, false) => Self::Plain,
            (true, false) => Self::WithStart,
            (false, true) => Self::Metered,
            (true, true) => Self::MeteredWithStart,
        }
    }

    /// Whether there is a start function.
    pub fn has_start(self) -> bool {
        matches!(self, Self::WithStart | Self::MeteredWithStart)
    }

    /// Whether the code counts its gas.
    pub fn is_metered(self) -> bool {
        matches!(self, Self::Metered | Self::MeteredWithStart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_a_byte_and_four_bytes_are_forms() {
        for has_start in [false, true] {
            for is_metered in [false, true] {
                let form = Form::new(has_start, is_metered);
                assert_eq!((form.has_start(), form.is_metered()), (has_start, is_metered));
                assert_eq!(form.byte(), u8::from(has_start) + 2 * u8::from(is_metered));
                assert_eq!(Form::from_byte(form.byte()), Some(form));
            }
        }
        assert!((4..=u8::MAX).all(|byte| Form::from_byte(byte).is_none()));
    }
}
