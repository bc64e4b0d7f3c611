//! Sans-I/O: `sasl.jaas.config` as Kafka's `JaasConfig` reads it, with the words of Java's `StreamTokenizer`.
//!
//! Quotes are `"` and `'`, with `\n`, `\"` and octal escapes inside; `//`, `/*` and a lone `/` begin comments. Messages name
//! places, never texts: what is out of place may be a piece of a password.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A login module with its options.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct LoginModule {
    pub(super) class: String,
    pub(super) options: BTreeMap<String, String>,
}

/// Reads the one login module there has to be.
///
/// # Errors
/// What Java refuses; more modules than one are refused there too.
pub(super) fn parse(text: &str) -> Result<LoginModule, String> {
    let mut tokens = Tokens::new(text);
    let module = match tokens.next() {
        Token::End => return Err("it names no login module".into()),
        first => entry(first, &mut tokens)?,
    };
    match tokens.next() {
        Token::End => Ok(module),
        _ => Err("it holds more than one login module".into()),
    }
}

fn entry(first: Token, tokens: &mut Tokens<'_>) -> Result<LoginModule, String> {
    let class = first
        .text()
        .ok_or("it does not begin with the class of a login module")?;
    let flag = tokens.next().text().unwrap_or_default().to_uppercase();
    if !matches!(
        flag.as_str(),
        "REQUIRED" | "REQUISITE" | "SUFFICIENT" | "OPTIONAL"
    ) {
        return Err(
            "behind the login module stands none of required, requisite, sufficient, optional".into(),
        );
    }
    let mut options = BTreeMap::new();
    loop {
        let key = match tokens.next() {
            Token::Sign(';') => return Ok(LoginModule { class, options }),
            Token::End => return Err("it does not end with ';'".into()),
            key => key.text(),
        };
        let place = tokens.place;
        let equals = tokens.next();
        let value = match equals {
            Token::Sign('=') => tokens.next().text(),
            _ => None,
        };
        let (Some(key), Some(value)) = (key, value) else {
            return Err(format!(
                "near character {place} an option has no value; a value with other characters than letters, digits, '.', '-', '_', '$', \
                 or one that begins with a digit, belongs in quotes"
            ));
        };
        options.insert(key, value);
    }
}

/// What `StreamTokenizer.nextToken` answers.
enum Token {
    /// A word, or what stands in quotes.
    Text(String),
    /// What looks like a number has no text.
    Number,
    Sign(char),
    End,
}

impl Token {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number | Self::Sign(_) | Self::End => None,
        }
    }
}

struct Tokens<'t> {
    chars: Peekable<Chars<'t>>,
    /// Characters taken.
    place: usize,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            chars: text.chars().peekable(),
            place: 0,
        }
    }

    fn take(&mut self) -> Option<char> {
        self.place += 1;
        self.chars.next()
    }

    fn take_if(&mut self, holds: impl FnOnce(char) -> bool) -> Option<char> {
        let taken = self.chars.next_if(|c| holds(*c))?;
        self.place += 1;
        Some(taken)
    }

    fn next(&mut self) -> Token {
        loop {
            let Some(first) = self.take() else {
                return Token::End;
            };
            match first {
                '\0'..=' ' => {}
                '/' => self.comment(),
                '0'..='9' | '.' => return self.number(),
                // Behind it a digit or a dot makes a number; alone it is a sign, though words go on with it.
                '-' if self.chars.peek().is_some_and(|c| is_digit(*c)) => return self.number(),
                '"' | '\'' => return Token::Text(self.quoted(first)),
                first if is_letter(first) => {
                    let mut word = String::from(first);
                    while let Some(c) = self.take_if(|c| is_letter(c) || is_digit(c) || c == '-') {
                        word.push(c);
                    }
                    return Token::Text(word);
                }
                sign => return Token::Sign(sign),
            }
        }
    }

    /// Behind a `/`: a block when `*` follows, the rest of the line otherwise, whose first character may be an end of line.
    fn comment(&mut self) {
        if self.take() != Some('*') {
            while self.take_if(|c| c != '\n' && c != '\r').is_some() {}
            return;
        }
        let mut before = ' ';
        while let Some(c) = self.take() {
            if before == '*' && c == '/' {
                return;
            }
            before = c;
        }
    }

    /// Digits with at most one dot among them. The minus sign that began it has been taken, like the first digit.
    fn number(&mut self) -> Token {
        while self.take_if(is_digit).is_some() {}
        Token::Number
    }

    /// Up to the closing quote, or the end of the line.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.take_if(|c| c != quote && c != '\n' && c != '\r') {
            text.extend(if c == '\\' { self.escaped() } else { Some(c) });
        }
        self.take_if(|c| c == quote);
        text
    }

    /// What stands behind a backslash: three octal digits up to 377, a sign of C's, or the character itself.
    fn escaped(&mut self) -> Option<char> {
        let first = self.take()?;
        let Some(mut code) = first.to_digit(8) else {
            return Some(match first {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => other,
            });
        };
        for _ in 0..if first <= '3' { 2 } else { 1 } {
            let Some(digit) = self.take_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
        }
        char::from_u32(code)
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// The tokenizer's letters, and what `JaasConfig` adds; everything from 160 on is one.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$' || c >= '\u{a0}'
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

    fn options(text: &str) -> Result<Vec<(String, String)>, String> {
        let module = parse(&format!("{PLAIN} required {text}"))?;
        assert_eq!(module.class, PLAIN);
        Ok(module.options.into_iter().collect())
    }

    fn password(text: &str) -> String {
        let found = options(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        found
            .into_iter()
            .find(|(name, _)| name == "password")
            .map(|(_, value)| value)
            .unwrap_or_default()
    }

    /// CN-104: each as `JaasConfig` of kafka-clients answers it.
    #[test]
    fn values_are_quoted_and_escaped_as_in_java() {
        for (text, value) in [
            (r#"password="p w";"#, "p w"),
            (r#"password='it "is"';"#, r#"it "is""#),
            (r#"password="a\"b\\c";"#, r#"a"b\c"#),
            (r#"password="a\tb\101\0\477";"#, "a\tbA\0\u{27}7"),
            (
                r#"password="a;b=c // no comment /* neither */";"#,
                "a;b=c // no comment /* neither */",
            ),
            (r#"password = "spaced" ;"#, "spaced"),
            ("password=pass-word_1.x$;", "pass-word_1.x$"),
            ("password=\u{fc}ber;", "\u{fc}ber"),
            ("/* password=no */ password=yes; // password=no", "yes"),
            ("password=yes / a lone slash is a comment too\n;", "yes"),
            ("password=yes /\n; password=no\n;", "yes"),
            ("password=yes /* * / **/;", "yes"),
            (r#"my.password="no" password="yes";"#, "yes"),
            (r#"password="first" password="last";"#, "last"),
            (r#"username="password=x" password="y";"#, "y"),
        ] {
            assert_eq!(password(text), value, "{text}");
        }
    }

    #[test]
    fn what_java_refuses_is_refused_without_a_word_of_it() {
        for (text, why) in [
            (r#"password="hush" "#, "does not end with ';'"),
            ("password=1hush;", "near character"),
            ("password=-5;", "near character"),
            (r#"password "hush";"#, "near character"),
            (r#"password="hu"sh";"#, "near character"),
            ("password=;", "near character"),
            (r#"password="hush"; other.Module required;"#, "more than one"),
            ("password=\"hu\nsh\";", "near character"),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("hu"), "{text}: {error}");
        }
        for (text, why) in [
            ("", "no login module"),
            ("// nothing", "no login module"),
            ("X;", "none of required"),
            ("X username=a;", "none of required"),
            ("= required;", "does not begin"),
        ] {
            assert!(parse(text).is_err_and(|error| error.contains(why)), "{text}");
        }
        assert!(parse("X Required;").is_ok());
    }
}
