//! `lunation backtest` on the development half: the acceptance figures, by the command.

use std::{fs, process::Command};

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{App, Shape, process::path};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prediction/tests/data");
const MODEL: &str = "shifted_log_nig_mixture/1";

/// Runs the command to its end: exit code, standard output, standard error.
fn backtest(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(path()).arg("backtest").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The numbers of a method's row, in the order of the columns: N, MAE, RMSE, bias, ±2 days, CRPS,
/// then share and width of the 50, 80 and 95 % ranges.
fn row(output: &str, known: &str, method: &str) -> Vec<f64> {
    let line = output.lines().find(|line| line.starts_with(known) && line.contains(method));
    let line = line.unwrap_or_else(|| panic!("no {known} {method}: {output}"));
    let (_, numbers) = line.split_once(method).unwrap();
    numbers.split_whitespace().filter_map(|cell| cell.parse().ok()).collect()
}

#[test]
fn the_development_half_reaches_its_figures() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (svg, jsonl) = (file("backtest.svg"), file("predictions.jsonl"));
    let (data, clean) = (format!("{DATA}/development.csv"), "0 of 860");
    let (code, output, errors) = backtest(&[&data, "--svg", &svg, "--predictions-jsonl", &jsonl]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    let all = row(&output, "all n>=1", MODEL);
    let [count, mae, rmse, _, _, crps, in_50, _, in_80, width_80, in_95, _] = all[..] else {
        panic!("{output}")
    };
    assert!((count - 777.0).abs() < 0.5 && mae <= 2.05 && rmse <= 2.98 && crps <= 1.5, "{output}");
    assert!((45.0..=55.0).contains(&in_50) && (77.0..=85.0).contains(&in_80), "{output}");
    assert!((93.0..=97.5).contains(&in_95) && width_80 <= 6.6, "{output}");
    assert!(row(&output, "n=1 ", MODEL)[5] <= 1.75, "{output}");
    for rule in ["average_cycle_length", "mean_of_all", "median_of_six"] {
        let rule = row(&output, "all n>=1", rule);
        assert!(rule[1] > mae && rule[2] > rmse && rule[5] > crps, "{output}");
    }
    assert!(output.contains(clean), "no length is wrongly suspected: {output}");
    let (_, fertile) = output.split_once("Brier score ").unwrap();
    let brier: f64 = fertile.split(',').next().unwrap().parse().unwrap();
    assert!(brier <= 0.092, "{brier}");
    // Each forecast in its line, as score_predictions.py reads it.
    let lines = fs::read_to_string(jsonl).unwrap();
    let lines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines.len(), 860);
    let off = |line: &Value| {
        let day = |name: &str| line[name].as_i64().unwrap();
        (day("predicted_date_days") - day("actual_days")).unsigned_abs()
    };
    let known = lines.iter().filter(|line| line["n_known"].as_u64().unwrap() > 0);
    let sum: u64 = known.map(off).sum();
    assert_eq!(
        format!("{mae:.3}"),
        format!("{:.3}", f64::from(u32::try_from(sum).unwrap()) / 777.0)
    );
    for line in &lines {
        let quantile = |level: &str| line["quantiles"][level].as_f64().unwrap();
        let levels = ["0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975"];
        assert!(levels.windows(2).all(|pair| quantile(pair[0]) <= quantile(pair[1])));
        let pmf = line["pmf"].as_object().unwrap().values().map(|it| it.as_f64().unwrap());
        assert!((pmf.sum::<f64>() - 1.0).abs() < 1e-6);
        assert!(line["client"].is_string() && line["predicted_mean_days"].is_f64());
    }
    // The picture needs nothing else.
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("prefers-color-scheme:dark"));
    assert_eq!(svg.matches("http").count(), 1, "only the namespace");
    for active in ["<script", "href", "url(", "@import", "NaN", "inf"] {
        assert!(!svg.contains(active), "{active}");
    }
}

#[test]
fn skipped_starts_are_found_and_cost_little() {
    for (name, mae_max, crps_max) in [("skip05", 2.08, 1.53), ("skip10", 2.10, 1.55)] {
        let (code, output, errors) =
            backtest(&[&format!("{DATA}/stress_development_{name}.jsonl")]);
        assert_eq!((code, errors.as_str()), (0, ""), "{output}");
        let all = row(&output, "all n>=1", MODEL);
        assert!(all[1] <= mae_max && all[5] <= crps_max, "{output}");
        assert!(row(&output, "all n>=1", "average_cycle_length")[1] > all[1] + 0.5, "{output}");
        let share = |of: &str| -> f64 {
            let (_, rest) = output.split_once(of).unwrap();
            rest.split([',', ' ']).next().unwrap().trim_end_matches(".\n").parse().unwrap()
        };
        assert!(share("precision ") >= 0.95 && share("recall ") >= 0.93, "{output}");
    }
}

/// What the API answers can be replayed as it is, and nothing of it is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ones_own_cycles_are_replayed() {
    let app = App::start(Shape::Memory).await;
    let user = app.client().somebody().await;
    for start in ["2024-01-03", "2024-01-31", "2024-03-01", "2024-03-28", "2024-04-27"] {
        user.log_cycle(start, None).await;
    }
    let cycles = user.get("/api/cycles/cycles?limit=100").await.expect(StatusCode::OK);
    let file = app.data_dir().with_file_name("export.json");
    fs::write(&file, cycles.to_string()).unwrap();
    let (code, output, errors) = backtest(&[file.to_str().unwrap()]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    assert!(output.starts_with("4 lengths of 1 person,"), "{output}");
    assert!(!output.contains("2024-"), "{output}");
    let page = user.get("/api/cycles/cycles?limit=2").await.expect(StatusCode::OK);
    fs::write(&file, page.to_string()).unwrap();
    let (code, output, errors) = backtest(&[file.to_str().unwrap()]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("a page with 2 of 5 cycles"), "{errors}");
    app.finish().await;
}

#[test]
fn what_cannot_be_read_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let bad = directory.path().join("bad.csv");
    fs::write(&bad, "client,cycle_length_days\nx,28\nx,secret\n").unwrap();
    let (code, output, errors) = backtest(&[bad.to_str().unwrap()]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("bad.csv:3: ") && !errors.contains("secret"), "{errors}");
    let (code, _, errors) = backtest(&["no-such.csv"]);
    assert!(code == 1 && errors.contains("no-such.csv"), "{errors}");
    let (code, _, errors) = backtest(&[]);
    assert!(code == 2 && errors.contains("FILE"), "{errors}");
    let (code, help, _) = backtest(&["--help"]);
    assert!(code == 0 && help.contains("client, cycle_length_days"), "{help}");
}
