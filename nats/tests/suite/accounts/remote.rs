//! Each credential asks and answers as its group does, and the server refuses none of it.

use contracts::{
    cycles::{CyclesMailbox, GetHistory},
    users::GetSigningKeys,
};
use nats::{
    accounts::Credential::{self, All, Analytics, Cycles, Gateway, Users},
    rpc,
};

use super::server::GuardedServer;
use crate::rpc::support::{LONG, OWNER, Replica, call, call_with, cycles, get_cycle, users};

#[tokio::test]
async fn groups_ask_and_answer_each_other() {
    let server = GuardedServer::start();
    assert_groups_work(&server, Cycles, Users).await;
    assert_eq!(server.violations(), [""; 0]);
}

#[tokio::test]
async fn one_process_asks_and_answers_all() {
    let server = GuardedServer::start();
    assert_groups_work(&server, All, All).await;
    assert_eq!(server.violations(), [""; 0]);
}

async fn assert_groups_work(server: &GuardedServer, of_cycles: Credential, of_users: Credential) {
    let replicas = [
        Replica::start(&server.connection(of_cycles).await, cycles()).await,
        Replica::start(&server.connection(of_users).await, users()).await,
    ];
    for asker in [Gateway, All] {
        let handle = rpc::remote::<CyclesMailbox>(&server.connection(asker).await);
        assert!(handle.ask(&call(LONG), get_cycle()).await.is_ok(), "{asker}");
    }
    for asker in [Analytics, All] {
        let connection = server.connection(asker).await;
        let (cycles, users) = (rpc::remote::<CyclesMailbox>(&connection), rpc::remote(&connection));
        let call = call_with(None, LONG);
        assert!(cycles.ask(&call, GetHistory { user_id: OWNER }).await.is_ok(), "{asker}");
        assert!(users.ask(&call, GetSigningKeys {}).await.is_ok(), "{asker}");
    }
    for replica in replicas {
        replica.leave().await;
    }
}
