//! Passwords that are set by a link: mailed by a real SMTP server, or made by an operator.

use std::process::Stdio;

use actor_runtime::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    App, Client, Options, Shape,
    client::{Answer, PASSWORD},
    process::binary,
    smtp::{MailServer, TakenMail},
    wait,
};

const NEW: &str = "gather seven lanterns";
const PUBLIC_URL: &str = "https://lunation.example/app";

fn mailing(server: &MailServer) -> Options {
    let settings = [
        ("LUNATION_MAIL_SMTP_URL", server.url()),
        ("LUNATION_MAIL_FROM", "Lunation <no-reply@lunation.example>".to_owned()),
        ("LUNATION_PUBLIC_URL", PUBLIC_URL.to_owned()),
    ];
    let environment = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Options { environment, ..Options::default() }
}

async fn mails(server: &MailServer, count: usize) -> Vec<TakenMail> {
    wait::until("a mail", || async {
        let taken = server.taken();
        (taken.len() >= count).then_some(taken)
    })
    .await
}

async fn confirm(client: &Client, token: &str) -> Answer {
    let body = json!({"token": token, "new_password": NEW});
    client.post("/api/users/password/reset/confirm", &body).await
}

async fn sign_in(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/api/users/login", &json!({"email": email, "password": password})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_comes_by_mail_and_leads_where_the_configuration_says() {
    let server = MailServer::start();
    let app = App::start_with(Shape::Memory, mailing(&server)).await;
    let client = app.client();
    let ada = client.register("ada").await;
    // Whatever the request calls the host.
    let request = client
        .request(Method::POST, "/api/users/password/reset")
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("Forwarded", "host=evil.example")
        .header("Origin", "https://evil.example")
        .json(&json!({"email": "ADA@example.org"}));
    Answer::of(request).await.expect(StatusCode::ACCEPTED);
    let mail = mails(&server, 1).await.remove(0);
    assert_eq!(mail.to, ["ada@example.org"]);
    assert!(mail.text.contains(&format!("{PUBLIC_URL}/reset-password#token=")), "{}", mail.text);
    assert!(!mail.text.contains("evil"), "{}", mail.text);
    let token = mail.token().unwrap();
    confirm(&client, &token).await.expect(StatusCode::OK);
    confirm(&client, &token).await.problem_of(422, "reset-token-invalid");
    ada.refresh().await.problem_of(401, "invalid-refresh-token");
    sign_in(&client, "ada@example.org", PASSWORD).await.problem_of(401, "invalid-credentials");
    sign_in(&client, "ada@example.org", NEW).await.expect(StatusCode::OK);
    let told = mails(&server, 2).await.remove(1);
    assert!(told.text.contains("Subject: Your password was changed"), "{}", told.text);
    // Neither the token nor an address is in the log.
    let output = app.output();
    for secret in [token.as_str(), "ada@example.org", NEW] {
        assert!(!output.contains(secret), "{output}");
    }
    let doctor = command(&app, &["doctor"], &mailing(&server));
    assert!(doctor.1.contains("signed in to the SMTP server"), "{}", doctor.1);
    app.finish().await;
}

/// Runs a command on the data directory of a running instance: exit code, output, errors.
fn command(app: &App, arguments: &[&str], options: &Options) -> (i32, String, String) {
    let mut command = binary();
    command.args(arguments).arg("--data-dir").arg(app.data_dir()).stdin(Stdio::null());
    command.envs(options.environment.iter().cloned());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_makes_a_link_where_no_mail_is_sent() {
    let app = App::start(Shape::Memory).await;
    let client = app.client();
    client.register("ada").await;
    let plain = Options::default();
    let (code, output, errors) = command(&app, &["users", "reset-link", "Ada@example.org"], &plain);
    assert_eq!(code, 0, "{errors}");
    let token = output.lines().next().unwrap();
    confirm(&client, token).await.expect(StatusCode::OK);
    sign_in(&client, "ada@example.org", NEW).await.expect(StatusCode::OK);

    let public = Options {
        environment: vec![("LUNATION_PUBLIC_URL".to_owned(), PUBLIC_URL.to_owned())],
        ..Options::default()
    };
    let (_, output, _) = command(&app, &["users", "reset-link", "ada@example.org"], &public);
    assert!(output.starts_with(&format!("{PUBLIC_URL}/reset-password#token=lunp_")), "{output}");
    let (code, output, errors) =
        command(&app, &["users", "reset-link", "nobody@example.org"], &plain);
    assert_eq!((code, output.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("there is no account"), "{errors}");
    app.finish().await;
}

/// Known and unknown accounts, and right and wrong passwords, cost one hash each: medians of
/// interleaved tries. The bound is wide, since the machine does other things as well; a look-up
/// that is skipped, or a hash, would be many times as much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_account_takes_as_long_as_a_wrong_password() {
    let many = [
        ("LUNATION_LIMITS_FAILURES_PER_ADDRESS_MINUTE", "100000"),
        ("LUNATION_LIMITS_FAILURES_PER_ADDRESS_HOUR", "100000"),
    ];
    let environment = many.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = Options { environment, ..Options::default() };
    let app = App::start_with(Shape::Memory, options).await;
    let client = app.client();
    for number in 0..12 {
        client.register(&format!("known{number}")).await;
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..4 {
        for number in 0..12 {
            for (name, times) in [("known", &mut known), ("unknown", &mut unknown)] {
                let email = format!("{name}{number}@example.org");
                let begun = Clock::System.now();
                let answer = sign_in(&client, &email, &format!("pass 1{round}")).await;
                times.push((Clock::System.now() - begun).num_microseconds().unwrap());
                let _refused: Value = answer.problem_of(401, "invalid-credentials");
            }
        }
    }
    let median = |times: &mut Vec<i64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (known, unknown) = (median(&mut known), median(&mut unknown));
    let ratio = known.max(unknown) * 100 / known.min(unknown);
    assert!(ratio < 200, "known {known} µs, unknown {unknown} µs");
    app.finish().await;
}
