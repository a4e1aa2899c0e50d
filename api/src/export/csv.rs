//! CSV (RFC 4180), with cells that no spreadsheet takes for a formula (OWASP, CSV injection).

use std::fmt::Write as _;

use contracts::cycles::{ExportedCycle, GapAnswer, Symptom};

/// The header line of cycles.
pub(super) const CYCLES: &str = "id,start_date,end_date,period_length,cycle_length,excluded,\
                                 gap_answer,created_at,updated_at\r\n";
/// The header line of symptoms.
pub(super) const SYMPTOMS: &str =
    "id,cycle_id,date,symptom_type,value,severity,notes,created_at\r\n";

/// A line about a cycle.
pub(super) fn cycle(cycle: &ExportedCycle) -> String {
    let ExportedCycle {
        id,
        start_date,
        end_date,
        cycle_length,
        period_length,
        excluded,
        gap_answer,
        created_at,
        updated_at,
    } = cycle;
    let said = gap_answer.as_ref().map(|kept| match kept.answer {
        GapAnswer::NoneMissed => "none_missed",
        GapAnswer::MissedUnknown | GapAnswer::MissedOn(_) => "missed_unknown",
    });
    line(&[
        id.to_string(),
        start_date.to_string(),
        text_of(*end_date),
        text_of(*period_length),
        text_of(*cycle_length),
        excluded.to_string(),
        text_of(said),
        instant(*created_at),
        instant(*updated_at),
    ])
}

/// A line about a symptom.
pub(super) fn symptom(symptom: &Symptom) -> String {
    let Symptom {
        id,
        cycle_id,
        user_id: _,
        date,
        symptom_type,
        value,
        severity,
        notes,
        created_at,
    } = symptom;
    line(&[
        id.to_string(),
        cycle_id.to_string(),
        date.to_string(),
        symptom_type.clone(),
        value.clone(),
        text_of(*severity),
        notes.clone().unwrap_or_default(),
        instant(*created_at),
    ])
}

fn line(cells: &[String]) -> String {
    let mut line = String::new();
    for (place, text) in cells.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        push_cell(&mut line, text);
    }
    line.push_str("\r\n");
    line
}

/// What begins like a formula gets an apostrophe, also behind blanks, which some programs drop.
fn push_cell(line: &mut String, text: &str) {
    let first =
        text.trim_start_matches([' ', '\t', '\n', '\r', '\u{a0}', '\u{feff}']).chars().next();
    let is_formula = first.is_some_and(|first| "=+-@＝＋－＠".contains(first));
    let begins_odd = text.starts_with(['\t', '\r', '\n']);
    let apostrophe = if is_formula || begins_odd { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r', ';', '\t', '\'']) || !apostrophe.is_empty() {
        // Writing into a String cannot fail.
        let _infallible = write!(line, "\"{apostrophe}{}\"", text.replace('"', "\"\""));
    } else {
        line.push_str(text);
    }
}

fn text_of(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn instant(instant: chrono::DateTime<chrono::Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut line = String::new();
        push_cell(&mut line, text);
        line
    }

    #[test]
    fn formulas_are_none() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n=1", "\u{a0}=1", "＝1"] {
            assert!(cell(formula).starts_with("\"'"), "{formula:?}");
        }
        for odd in ["\tx", "\rx", "\nx"] {
            assert!(cell(odd).starts_with("\"'"), "{odd:?}");
        }
        for plain in ["", "happy", "1", "2024-01-01", "a=b", "a-b", "ärger", "36.55"] {
            assert_eq!(cell(plain), plain);
        }
    }

    #[test]
    fn what_would_break_a_line_is_quoted() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("a\"b"), "\"a\"\"b\"");
        assert_eq!(cell("a\nb"), "\"a\nb\"");
        assert_eq!(cell("=\"x\",1"), "\"'=\"\"x\"\",1\"");
        assert_eq!(line(&["a".to_owned(), String::new(), "c;d".to_owned()]), "a,,\"c;d\"\r\n");
    }
}
