use std::path::Path;

use prediction::{
    Method,
    metrics::{Known, Summary, summary},
    walk_forward,
};

use super::{read::Reader, *};

const DEVELOPMENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/prediction/tests/data/development.csv");

/// What a file with this name and text comes to: what is printed, or the error.
fn backtest(name: &str, text: impl AsRef<[u8]>) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    let arguments = BacktestArgs { files: vec![path], svg: None, predictions_jsonl: None };
    let mut out = Vec::new();
    let result = run(&arguments, &mut out);
    let place = format!("{}/", directory.path().display());
    result.map_err(|error| format!("{error:#}").replace(&place, ""))?;
    Ok(String::from_utf8(out).unwrap())
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

fn same(one: &Summary, other: &Summary) -> bool {
    let numbers = |it: &Summary| {
        let ranges = it.ranges.map(|it| [it.coverage, it.width_days]).unwrap_or_default();
        let mut all = vec![it.mae_days, it.rmse_days, it.bias_days, it.crps_days];
        all.extend(it.within.into_iter().chain(ranges.concat()));
        all
    };
    let mut pairs = numbers(one).into_iter().zip(numbers(other));
    one.count == other.count
        && one.ranges.is_some() == other.ranges.is_some()
        && pairs.all(|(one, other)| close(one, other))
}

/// People who were counted one by one are summarised as if all had been kept.
#[test]
fn nothing_is_lost_by_forgetting() {
    let (mut score, mut logs) = (Score::default(), Vec::new());
    let mut reader = Reader::default();
    let mut take = |case| {
        score.add(&case);
        logs.push(case);
        Ok(())
    };
    reader.each(Path::new(DEVELOPMENT), &mut take).unwrap();
    assert_eq!(logs.len(), 83);
    for method in Method::ALL {
        let of_one = |case: &case::Case| match case {
            case::Case::Log(log) => walk_forward(method, log.age_years, &log.lengths),
            case::Case::Trial(_) => panic!("a log was expected"),
        };
        let steps: Vec<_> = logs.iter().flat_map(of_one).collect();
        for known in Known::ALL {
            let all = summary(steps.iter().filter(|step| known.contains(step.n_known))).unwrap();
            assert!(same(&all, &score.summary(method, known).unwrap()), "{}", known.name());
        }
    }
}

/// The same person as lengths, as starts and as an export.
#[test]
fn all_ways_to_tell_a_log_are_one() {
    let lengths = "client,age,cycle_length_days\nx,,28\nx,,30\nx,,27\nx,,29\n";
    let starts = "\u{feff}start_date, client ,moon\n2024-01-01,x,new\n2024-01-29,x,\n2024-02-28,x,\n2024-03-26,x,\n2024-04-24,x,\n";
    let export = r#"{"total": 5, "cycles": [
        {"start_date": "2024-04-24"}, {"start_date": "2024-01-01", "excluded": false},
        {"start_date": "2024-01-29"}, {"start_date": "2024-03-26"}, {"start_date": "2024-02-28"}]}"#;
    let told = backtest("a.csv", lengths).unwrap();
    assert!(told.starts_with("4 lengths of 1 person,"), "{told}");
    assert_eq!(told, backtest("a.csv", starts).unwrap());
    assert_eq!(told, backtest("a.json", export).unwrap());
    // As other systems write it.
    let windows = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(told, backtest("A.CSV", windows(lengths)).unwrap());
    assert_eq!(told, backtest("a.csv", windows(starts)).unwrap());
    assert_eq!(told, backtest("a.JSON", format!("\u{feff}{}", windows(export))).unwrap());
    // Who is older is told shorter cycles.
    let older = export.replacen('{', r#"{"profile": {"date_of_birth": "1980-01-01"}, "#, 1);
    assert_eq!(backtest("a.csv", lengths.replace(",,", ",44,")), backtest("a.json", &older));
    assert_ne!(told, backtest("a.json", &older).unwrap());
}

/// An export counts as the product does: what is excluded or in an episode is left out, and after
/// an episode nothing is known.
#[test]
fn an_export_is_taken_apart_as_in_the_product() {
    let export = r#"{"cycles": [
        {"start_date": "2022-01-01"}, {"start_date": "2022-01-29"}, {"start_date": "2022-02-26"},
        {"start_date": "2022-03-10", "excluded": true}, {"start_date": "2022-04-08"},
        {"start_date": "2023-06-01"}, {"start_date": "2023-06-29"}, {"start_date": "2023-07-27"},
        {"start_date": "2023-08-24"}],
        "episodes": [{"kind": "pregnancy", "start_date": "2022-04-20", "end_date": "2023-01-20"}]}"#;
    let told = backtest("a.json", export).unwrap();
    // 28 and 28 days before; 12 days, the excluded and the pregnancy are left out; 28, 28, 28 after.
    assert!(told.starts_with("5 lengths of 1 person,"), "{told}");
    assert!(told.contains("3 lengths left out"), "{told}");
    let known = told.lines().find(|line| line.starts_with("all n>=1 ")).unwrap();
    assert_eq!(known.split_whitespace().nth(3), Some("3"), "one after the episode knew nothing");
}

/// What is printed of one person is about several cycles at once.
#[test]
fn single_cycles_are_not_printed() {
    let lengths = |count: usize| "client,cycle_length_days\n".to_owned() + &"x,28\n".repeat(count);
    let few = backtest("a.csv", lengths(3)).unwrap();
    assert!(few.contains("Fewer than 3") && !few.contains("MAE"), "{few}");
    let more = backtest("a.csv", lengths(4)).unwrap();
    let rows = more.lines().filter(|line| line.contains("mean_of_all"));
    assert_eq!(rows.map(|row| row.split("  ").next().unwrap()).collect::<Vec<_>>(), ["all n>=1"]);
}

#[test]
fn bad_rows_are_refused_with_their_line() {
    let csv = |rows: &str| backtest("f.csv", rows).unwrap_err();
    for (rows, said) in [
        ("a,b\n1,2\n", "f.csv:1: there is no column `client`"),
        ("client;start_date\nx;2024-01-01\n", "f.csv:1: there is no column `client`; cells are"),
        ("client,b\n1,2\n", "f.csv:1: there is neither"),
        ("client,cycle_length_days\nx,28\nx,0\n", "f.csv:3: a cycle length must be"),
        ("client,cycle_length_days\nx,secret\n", "f.csv:2: a cycle length must be"),
        ("client,cycle_length_days\nx,99999999999\n", "f.csv:2: a cycle length must be"),
        ("client,cycle_length_days\nx,28\nx\n", "f.csv:3: not as many cells"),
        ("client,cycle_length_days\n,28\n", "f.csv:2: a row needs a client"),
        ("client,cycle_length_days,age\nx,28,NaN\n", "f.csv:2: an age must be"),
        ("client,cycle_length_days\nx,28\ny,28\nx,28\n", "f.csv:4: a client again"),
        ("client,cycle_length_days,cycle_number\nx,28,2\nx,28,2\n", "f.csv:3: out of the order"),
        ("client,cycle_length_days,cycle_number\nx,28,\n", "f.csv:2: a cycle_number must be"),
        ("client,start_date\nx,2024-02-30\n", "f.csv:2: a start_date must be"),
        ("client,start_date\nx,2024-02-03\nx,2024-02-03\n", "f.csv:3: out of the order"),
    ] {
        let error = csv(rows);
        assert!(error.starts_with(said) && !error.contains("secret"), "{rows}: {error}");
    }
    let error = backtest("f.csv", b"client,cycle_length_days\nx,28\nJos\xe9,28\n").unwrap_err();
    assert_eq!(error, "f.csv:3: not UTF-8");
    let one_client = "client,cycle_length_days\n".to_owned() + &"x,28\n".repeat(5_001);
    assert_eq!(csv(&one_client), "f.csv:5002: more than 5000 cycles of one client");
    for empty in ["", "client,start_date\n", "client,start_date\nx,2024-02-03\n"] {
        assert!(backtest("f.csv", empty).is_err(), "{empty}");
    }
}

#[test]
fn bad_json_is_refused_without_repeating_it() {
    for (name, text, said) in [
        ("f.json", "{\"cycles\":\n[{\"start_date\":\"secret\"}]}", "f.json:2: column"),
        ("f.json", "{\"cycles\": [", "f.json:1: column 12: not JSON"),
        ("f.json", "{\"cycles\": [], \"total\": 7}", "f.json: a page with 0 of 7 cycles"),
        ("f.json", "{\"cycles\": [], \"version\": 1}", "f.json: an export that was broken off"),
        (
            "f.json",
            "{\"cycles\": [], \"version\": 2, \"complete\": true}",
            "f.json: an export of a version",
        ),
        (
            "f.json",
            "{\"cycles\": [{\"start_date\":\"2024-01-01\"},{\"start_date\":\"2024-01-01\"}]}",
            "f.json: two cycles start",
        ),
        ("f.jsonl", "\n{\"client\": \"secret\"}\n", "f.jsonl:2: column"),
        (
            "f.jsonl",
            r#"{"client":"x","n_known":2,"history":[28],"true_cycles_in_each":[1],"actual_days":28}"#,
            "f.jsonl:1: `history` and",
        ),
        (
            "f.jsonl",
            r#"{"client":"x","n_known":1,"history":[0],"true_cycles_in_each":[1],"actual_days":28}"#,
            "f.jsonl:1: a cycle length must be",
        ),
        ("f.txt", "", "f.txt: the name must end in .csv, .json or .jsonl"),
    ] {
        let error = backtest(name, text).unwrap_err();
        assert!(error.starts_with(said) && !error.contains("secret"), "{text}: {error}");
    }
}

/// A slip on the command line does not cost anybody the log.
#[test]
fn what_is_read_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (log, new) = (directory.path().join("log.csv"), directory.path().join("new.svg"));
    let text = "client,cycle_length_days\nx,28\nx,29\n";
    fs::write(&log, text).unwrap();
    // Another way to say the same.
    let again = directory.path().join(".").join("log.csv");
    for (svg, predictions_jsonl) in [
        (Some(&log), None),
        (None, Some(&log)),
        (Some(&again), None),
        (None, Some(&again)),
        (Some(&new), Some(&new)),
    ] {
        let arguments = BacktestArgs {
            files: vec![log.clone()],
            svg: svg.cloned(),
            predictions_jsonl: predictions_jsonl.cloned(),
        };
        let error = run(&arguments, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cannot be written"), "{error}");
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
        assert!(!new.exists());
    }
}

/// Absurd lengths are counted, and nothing panics over them.
#[test]
fn absurd_lengths_are_survived() {
    for days in ["1", "14", "121", "3650"] {
        let told = backtest("a.csv", format!("client,cycle_length_days\nx,28\nx,{days}\nx,28\n"));
        assert!(told.unwrap().starts_with("3 lengths"));
    }
    let one = backtest("a.csv", "client,cycle_length_days\nx,28\n").unwrap();
    assert!(one.starts_with("1 length of 1 person"), "{one}");
}
