//! Matching and replacing, held against what a JDK printed (CN-314, PG-014).

use rowtide_java::regex::{Case, Pattern, PatternError, Substitution};

const GOLDEN: &str = include_str!("golden/regex.txt");

#[test]
fn patterns_match_and_replace_as_in_java() {
    let mut cases = 0;
    // Lines of one pattern follow each other: it is compiled once.
    let mut last: Option<(&str, Pattern, Substitution)> = None;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        cases += 1;
        let fields: Vec<&str> = line.split(' ').collect();
        if fields[2] == "ERR" {
            assert!(compile(fields[0], fields[1]).is_err(), "{line}");
            continue;
        }
        let head = line.split_once(" =").map_or(line, |(head, _)| head);
        if last.as_ref().is_none_or(|(known, ..)| *known != head) {
            let pattern = compile(fields[0], fields[1]).unwrap_or_else(|error| panic!("{line}: {error}"));
            let substitution = pattern.substitution(&unescape(fields[4])).unwrap();
            last = Some((head, pattern, substitution));
        }
        let (_, pattern, substitution) = last.as_ref().unwrap();
        let (input, replaced) = (unescape(&fields[2][1..]), unescape(&fields[5][1..]));
        assert_eq!(pattern.matches(&input).unwrap(), fields[3] == "1", "{line}");
        assert_eq!(substitution.replace_first(&input).unwrap(), replaced, "{line}");
    }
    assert!(cases > 1_000, "the golden file is cut: {cases} cases");
}

fn compile(case: &str, pattern: &str) -> Result<Pattern, PatternError> {
    let case = if case == "i" {
        Case::AsciiInsensitive
    } else {
        Case::Sensitive
    };
    Pattern::compile(&unescape(pattern), case)
}

fn unescape(text: &str) -> String {
    let mut units = Vec::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        if char == '%' {
            let digits: String = rest.by_ref().take(4).collect();
            units.push(u16::from_str_radix(&digits, 16).expect("invariant: the golden file is well-formed"));
        } else {
            units.extend(char.encode_utf16(&mut [0; 2]).iter());
        }
    }
    String::from_utf16(&units).expect("invariant: the golden file is well-formed")
}
