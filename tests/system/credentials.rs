//! Passwords that are set by a link: mailed by a real SMTP server, or made by an operator.

use std::process::Stdio;

use actor_runtime::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::json;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_resets_a_lost_second_factor() {
    let server = MailServer::start();
    let mail = mailing(&server);
    let app = App::start(Shape::Memory).await;
    let client = app.client();
    let ada = client.register("ada").await;
    let reset = |email| command(&app, &["users", "reset-second-factor", email], &mail);
    let (code, output, errors) = reset("ada@example.org");
    assert_eq!((code, output.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("has no second factor"), "{errors}");
    let (code, _, errors) = reset("nobody@example.org");
    assert!(code == 1 && errors.contains("there is no account"), "{errors}");

    let body = json!({"password": PASSWORD});
    let enrolled = ada.post("/api/users/second-factor", &body).await;
    let enrolled = enrolled.expect(StatusCode::CREATED);
    let secret = totp_rs::Secret::try_from_base32(enrolled["secret"].as_str().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    let now = u64::try_from(Clock::System.now().timestamp()).unwrap();
    let code = json!({"totp": totp.generate(now).to_string()});
    ada.post("/api/users/second-factor/confirm", &code).await.expect(StatusCode::OK);
    // A machine that is busy may say 503 or 504.
    let answered = || async {
        wait::until("a sign-in to be answered", || async {
            let answer = sign_in(&client, "ada@example.org", PASSWORD).await;
            (!answer.status.is_server_error()).then_some(answer)
        })
        .await
    };
    answered().await.problem_of(401, "second-factor-required");

    let (code, output, errors) = reset("Ada@example.org");
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("are gone"), "{output}");
    answered().await.expect(StatusCode::OK);
    let told = mails(&server, 1).await.remove(0);
    assert_eq!(told.to, ["ada@example.org"]);
    assert!(told.text.contains("Subject: Your account has no second factor any more"));
    app.finish().await;
}

/// Accounts that exist, and such that do not: each refused sign-in costs one hash (of the same
/// parameters, as `users::passwords` shows), so its time tells nothing. How close the times are is
/// measured by `make bench`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_account_costs_the_hash_of_a_wrong_password() {
    let app = App::start(Shape::Memory).await;
    let client = app.client();
    client.register("known").await;
    let mut counted = password_hashes(&app).await;
    for email in ["known@example.org", "unknown@example.org"] {
        let answer = sign_in(&client, email, "not the password").await;
        answer.problem_of(401, "invalid-credentials");
        let before = std::mem::replace(&mut counted, password_hashes(&app).await);
        assert_eq!(counted - before, 1, "{email}");
    }
    app.finish().await;
}

async fn password_hashes(app: &App) -> u64 {
    let metrics = Client::new(app.admin_url()).get("/metrics").await.text;
    let counter =
        metrics.lines().find_map(|line| line.strip_prefix("lunation_password_hashes_total "));
    counter.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no counter: {metrics}"))
}
