//! An upgrade: what the program before has stored, and what a process of it stores meanwhile.

use std::sync::{Arc, atomic::Ordering};

use contracts::cycles::History;
use sqlx::migrate::Migrator;

use super::*;

/// What the program before does with a newer history, statement by statement. Whether it stored it.
async fn the_program_before_stores(pool: &PgPool, history: &History) -> bool {
    let mut transaction = pool.begin().await.unwrap();
    let advanced = sqlx::query!(
        r#"INSERT INTO subject AS s (user_id, applied_version, model, total_cycles,
               average_cycle_length, average_period_length, cycle_regularity)
           VALUES ($1, $2, 'average_cycle_length/1', $3, NULL, NULL, 'unknown')
           ON CONFLICT (user_id) DO UPDATE SET
               applied_version = excluded.applied_version,
               model = excluded.model,
               replaced_version = CASE WHEN s.model = excluded.model THEN s.applied_version END,
               total_cycles = excluded.total_cycles,
               average_cycle_length = excluded.average_cycle_length,
               average_period_length = excluded.average_period_length,
               cycle_regularity = excluded.cycle_regularity
           WHERE s.erased_at IS NULL
             AND (s.applied_version < excluded.applied_version
                  OR (s.applied_version = excluded.applied_version AND s.model <> excluded.model))
           RETURNING replaced_version"#,
        history.user_id.get(),
        history.version.get(),
        i32::try_from(history.cycles.len()).unwrap(),
    );
    let stored = advanced.fetch_optional(&mut *transaction).await.unwrap().is_some();
    let nexts = history.cycles.iter().skip(1).map(|next| Some(next.start_date)).chain([None]);
    for (cycle, next) in history.cycles.iter().zip(nexts).filter(|_| stored) {
        let (id, user_id) = (cycle.id.get(), history.user_id.get());
        sqlx::query!(
            r#"INSERT INTO prediction (user_id, id, anchor_cycle_id, anchor_start_date,
                   predicted_start_date, predicted_end_date, confidence_score, prediction_method,
                   based_on_cycles, notes, intervals, fertile_start_date, fertile_end_date,
                   ovulation_date, ovulation_first_date, ovulation_last_date, is_active,
                   actual_start_date, created_at)
               VALUES ($1, $2, $2, $3, $3::date + 28, $3::date + 32, 0.5, 'average_cycle_length', 1,
                       'From the mean.', '[]', $3::date + 9, $3::date + 14, $3::date + 14,
                       $3::date + 13, $3::date + 15, $4::date IS NULL, $4, now())
               ON CONFLICT (user_id, anchor_cycle_id) DO UPDATE SET
                   id = excluded.id,
                   anchor_start_date = excluded.anchor_start_date,
                   predicted_start_date = excluded.predicted_start_date,
                   prediction_method = excluded.prediction_method,
                   notes = excluded.notes,
                   is_active = excluded.is_active,
                   actual_start_date = excluded.actual_start_date"#,
            user_id,
            id,
            cycle.start_date,
            next,
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        sqlx::query!(
            r#"INSERT INTO cycle_analytics (user_id, id, start_date, created_at, fingerprint)
               VALUES ($1, $2, $3, now(), 7)
               ON CONFLICT (user_id, id) DO UPDATE SET fingerprint = excluded.fingerprint"#,
            user_id,
            id,
            cycle.start_date,
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    transaction.commit().await.unwrap();
    stored
}

/// Each sweep looks at everybody whose cycles ever changed.
fn sweeping(today: &str) -> Settings {
    let every = Duration::from_millis(20);
    Settings { anti_entropy_every: every, today: day(today), ..Settings::default() }
}

async fn is_of_this_model(process: &Process, whose: UserId) -> bool {
    let stored = subject_read(&process.pool, whose).await.unwrap();
    stored.is_some_and(|stored| stored.believed.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_the_migration_is_computed_again() {
    let of_before = MIGRATOR.iter().filter(|migration| migration.version < 3).cloned();
    let database = TestDatabase::start(&Migrator::with_migrations(of_before.collect())).await;
    let (owner, whose) = (Arc::new(Owner::default()), user(1));
    for days in [28, 30, 27] {
        owner.append(whose, days);
    }
    let pool = PgPool::connect(&database.url).await.unwrap();
    assert!(the_program_before_stores(&pool, &owner.history(whose)).await);
    MIGRATOR.run(&pool).await.unwrap();

    // Until it is, what is stored is what is read.
    let process = Process::start(&database, &owner, sweeping("2020-01-01")).await;
    let list = process.predictions(whose, None).await;
    assert_eq!((list.total, list.as_of_version), (3, Version::new(3)));
    assert!(list.predictions.iter().all(|it| it.prediction_method == "average_cycle_length"));
    owner.tells_changes.store(true, Ordering::Relaxed);
    eventually("a sweep has found the user behind", async || {
        is_of_this_model(&process, whose).await
    })
    .await;
    process.assert_stored(&owner, whose).await;
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_of_the_program_before_stores_is_computed_again() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    owner.tells_changes.store(true, Ordering::Relaxed);
    let whose = user(1);
    for _ in 0..4 {
        owner.append(whose, 28);
    }
    // She is late, so the active prediction is one of this day.
    let process = Process::start(&database, &owner, sweeping("2020-04-25")).await;
    eventually("a sweep has found the user", async || is_of_this_model(&process, whose).await)
        .await;
    assert!(process.stored_start(whose).await.unwrap().1.is_some());
    let stored = process.predictions(whose, None).await.predictions;
    assert!(!the_program_before_stores(&process.pool, &owner.history(whose)).await);
    assert!(process.predictions(whose, None).await.predictions == stored, "it left them alone");

    // It hears of the next start first, and settles by its own rule what this one had predicted.
    owner.tells_changes.store(false, Ordering::Relaxed);
    owner.append(whose, 30);
    assert!(the_program_before_stores(&process.pool, &owner.history(whose)).await);
    assert!(!is_of_this_model(&process, whose).await);
    owner.tells_changes.store(true, Ordering::Relaxed);
    eventually("a sweep has found the user again", async || {
        is_of_this_model(&process, whose).await
    })
    .await;
    process.assert_stored(&owner, whose).await;
}
