//! Sans-I/O. Reads the pieces that all texts of dates and times have in common.

/// A time of the day as it was written, not yet checked against the length of hours and minutes.
pub(super) struct Clock {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) nanos: u32,
}

impl Clock {
    pub(super) fn seconds(&self) -> i64 {
        i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// Reads a text from the front. A method that answers `None` has found something else.
pub(super) struct Cursor<'t> {
    pub(super) rest: &'t [u8],
}

impl<'t> Cursor<'t> {
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn after(&mut self, byte: u8) -> Option<&mut Cursor<'t>> {
        self.take(byte).then_some(self)
    }

    /// Two digits.
    pub(super) fn two(&mut self) -> Option<u8> {
        match self.rest {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
                self.rest = rest;
                Some((tens - b'0') * 10 + (ones - b'0'))
            }
            _ => None,
        }
    }

    /// `HH:MM:SS` with up to nine digits of fraction.
    pub(super) fn clock(&mut self) -> Option<Clock> {
        let hour = self.two()?;
        let minute = self.after(b':')?.two()?;
        let second = self.after(b':')?.two()?;
        let mut nanos = 0;
        if self.take(b'.') {
            let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if len == 0 || len > 9 {
                return None;
            }
            let (digits, rest) = self.rest.split_at(len);
            self.rest = rest;
            nanos = number(digits) * 10u32.pow(9 - len as u32);
        }
        Some(Clock {
            hour,
            minute,
            second,
            nanos,
        })
    }

    /// `+02`, `-05:30`, `+05:30:15`: seconds east of Greenwich, less than a day.
    pub(super) fn offset(&mut self) -> Option<i64> {
        let west = self.take(b'-');
        if !west && !self.take(b'+') {
            return None;
        }
        let mut seconds = i64::from(self.two()?) * 3_600;
        if self.take(b':') {
            seconds += i64::from(self.two().filter(|minutes| *minutes < 60)?) * 60;
            if self.take(b':') {
                seconds += i64::from(self.two().filter(|seconds| *seconds < 60)?);
            }
        }
        (seconds < 86_400).then_some(if west { -seconds } else { seconds })
    }

    /// A run of at least `min` digits, at most nine: a number of 32 bits.
    pub(super) fn digits(&mut self, min: usize) -> Option<u32> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len < min || len > 9 {
            return None;
        }
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(number(digits))
    }

    /// Four digits, or more of them behind `+`; astronomical years BC behind `-`.
    pub(super) fn year(&mut self) -> Option<i32> {
        let plus = self.take(b'+');
        let minus = !plus && self.take(b'-');
        let before = self.rest.len();
        // At most nine digits.
        let year = self.digits(4)? as i32;
        let unsigned = !plus && !minus;
        if unsigned && before - self.rest.len() > 4 {
            return None;
        }
        Some(if minus { -year } else { year })
    }
}

/// At most nine digits.
fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}
