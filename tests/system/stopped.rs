//! What an operator does with an instance that does not run.

use std::path::Path;

use serde_json::Value;

use crate::harness::{App, Shape, process};

fn run(arguments: &[&str], data_dir: &Path) -> (bool, String, String) {
    let output =
        process::binary().args(arguments).arg("--data-dir").arg(data_dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_keys_its_ledger_and_what_it_needs() {
    let mut app = App::start(Shape::Memory).await;
    let person = app.client().register("stays-here").await;
    app.process().signal("TERM");
    app.process().ended().await;
    let data_dir = app.data_dir();

    // Which data keys are wrapped under a key is not known; the keys are.
    for (command, keys) in [("status", 2), ("rotate-kek", 4)] {
        let (done, shown, errors) = run(&["keys", command], &data_dir);
        assert!(done, "{errors}");
        let rows: Vec<&str> = shown.lines().filter(|line| line.contains("sealing-keys-")).collect();
        assert_eq!(rows.len(), keys, "{shown}");
        assert!(rows.iter().all(|row| row.split_whitespace().nth(3) == Some("?")), "{shown}");
        assert!(!shown.contains("cannot be asked"), "{shown}");
    }

    let (done, ledger, errors) = run(&["erasures", "export"], &data_dir);
    assert!(done, "{errors}");
    let head: Value = serde_json::from_str(ledger.lines().next().unwrap()).unwrap();
    assert_eq!(head["last_user_id"], person.id, "{ledger}");
    let nowhere = data_dir.with_file_name("nowhere");
    let (done, _, errors) = run(&["erasures", "export"], &nowhere);
    assert!(!done && errors.contains("there is no database in"), "{errors}");
    assert!(!nowhere.exists(), "a question makes no database");

    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "none"];
    let doctor = [&["doctor", "--split"][..], &ports[..]].concat();
    let (done, found, errors) = run(&doctor, &data_dir);
    assert!(done, "{found}{errors}");
    assert!(found.contains("a NATS server of its own"), "{found}");
    assert!(found.contains("sealing-keys-users, 2 keys"), "{found}");

    app.start_again().await;
    app.finish().await;
}
