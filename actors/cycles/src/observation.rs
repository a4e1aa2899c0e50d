//! Signs of ovulation: the two symptom types whose values mean something to predictions.

use contracts::{
    cycles::{OVULATION_TEST, ObservationKind, TEMPERATURE},
    limits::{TEMPERATURE_MAX_CELSIUS, TEMPERATURE_MIN_CELSIUS},
};

/// The types, as queries want them.
pub(crate) const TYPES: [&str; 2] = [OVULATION_TEST, TEMPERATURE];

/// Whether a symptom of this type is a sign of ovulation.
pub(crate) fn is_type(symptom_type: &str) -> bool {
    TYPES.contains(&symptom_type)
}

/// What was seen; none if the value says nothing, as it may where it was logged before values were
/// checked, or if the type is another one.
pub(crate) fn read(symptom_type: &str, value: &str) -> Option<ObservationKind> {
    match symptom_type {
        OVULATION_TEST => match value {
            "positive" => Some(ObservationKind::OvulationTestPositive),
            "negative" => Some(ObservationKind::OvulationTestNegative),
            _ => None,
        },
        TEMPERATURE => celsius(value).map(ObservationKind::BasalBodyTemperature),
        _ => None,
    }
}

/// What a value of this type has to be, if this one is not.
pub(crate) fn violation(symptom_type: &str, value: &str) -> Option<&'static str> {
    if !is_type(symptom_type) || read(symptom_type, value).is_some() {
        return None;
    }
    Some(match symptom_type {
        OVULATION_TEST => "the value of an ovulation_test must be positive or negative",
        _ => {
            "the value of a basal_body_temperature must be degrees Celsius from 34 to 43, with at \
             most two decimals, such as 36.55"
        }
    })
}

/// Degrees Celsius, written plainly: no sign, no exponent, no unit.
fn celsius(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = [whole, decimals].into_iter().all(|part| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    });
    let range = TEMPERATURE_MIN_CELSIUS..=TEMPERATURE_MAX_CELSIUS;
    is_plain.then(|| text.parse().ok()).flatten().filter(|degrees| range.contains(degrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_signs_are_read_strictly() {
        for good in ["34", "43", "43.0", "36.5", "36.55", "34.01"] {
            assert!(read(TEMPERATURE, good).is_some(), "{good}");
            assert_eq!(violation(TEMPERATURE, good), None);
        }
        for bad in [
            "", "33.99", "43.01", "36,5", "36.", ".5", "+36.5", "-36.5", "36.555", "3.6e1", "036",
            "98.6", "36.5 ", "36.5°C", "NaN", "inf", "36.5.5", "٣٦",
        ] {
            assert!(read(TEMPERATURE, bad).is_none(), "{bad}");
            assert!(violation(TEMPERATURE, bad).is_some());
        }
        assert!(matches!(
            read(OVULATION_TEST, "positive"),
            Some(ObservationKind::OvulationTestPositive)
        ));
        assert!(matches!(
            read(OVULATION_TEST, "negative"),
            Some(ObservationKind::OvulationTestNegative)
        ));
        for bad in ["Positive", "yes", "", "positive "] {
            assert!(violation(OVULATION_TEST, bad).is_some(), "{bad}");
        }
        // Whatever else a user calls a symptom, its value is the user's.
        assert_eq!(violation("mood", "98.6"), None);
        assert_eq!(violation("Ovulation_test", "maybe"), None);
    }
}
