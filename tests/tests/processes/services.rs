//! Rights as values, and services that are generated: what is not taken is given up, and what is refused says why.

use std::sync::Mutex;
use std::time::Duration;

use mach::proto::{KernReturn, MigError, MsgReturn, NamedRight};
use mach::{
    Call, Canceller, Code, Deferred, MsgError, Outgoing, PortSet, ReceiveRight, Right, RpcError, SendRight, Task,
};
use mach_tests::processes::{Nodes, within};
use mach_tests::wait_until;

mach::services! {
    mod vault;
    mod drawer;
}

const SOON: Duration = Duration::from_secs(10);

fn port(task: &Task) -> ReceiveRight {
    ReceiveRight::allocate(task).expect("a port")
}

/// Names that the task has.
fn names(task: &Task) -> usize {
    task.ports().names().wait().expect("its names").names.len()
}

fn has_senders(task: &Task, port: &ReceiveRight) -> bool {
    task.ports().get_receive_status(port.name().0).wait().expect("its status").status.srights
}

#[test]
fn what_a_message_brought_and_nobody_took_is_given_up() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let (to, carried, moved) = (port(&task), port(&task), port(&task));
    let before = names(&task);
    let body = |moved: ReceiveRight| {
        let one = Outgoing::new(to.made_send(), 1).reply_to(carried.made_send_once()).u32(1).text("text");
        one.right(carried.make_send().expect("a right")).rights([carried.made_send(), carried.made_send()]).right(moved)
    };
    // Not sent; sent and not received; received and not read; read in part.
    let unsent = body(moved);
    assert!(has_senders(&task, &carried));
    drop(unsent);
    assert_eq!((has_senders(&task, &carried), names(&task)), (false, before - 1));
    body(port(&task)).send(&task).expect("it is sent");
    drop(to.receive(Some(SOON)).expect("a message"));
    assert_eq!((has_senders(&task, &carried), names(&task)), (false, before - 1));
    assert_eq!(carried.receive(Some(SOON)).expect("the reply right was given up").id, 71);
    body(port(&task)).send(&task).expect("it is sent");
    let mut items = to.receive(Some(SOON)).expect("a message").items().expect("items");
    assert_eq!((items.u32(), items.text().as_deref()), (Ok(1), Ok("text")));
    let kept = items.right().expect("a right").send().expect("a send right");
    assert!(items.right().is_err(), "two rights are not one");
    drop(items);
    assert!(has_senders(&task, &carried), "one is kept");
    drop(kept);
    assert_eq!((has_senders(&task, &carried), names(&task)), (false, before - 1));
}

#[test]
fn a_message_that_cannot_be_sent_comes_back_with_its_rights() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let (to, carried) = (port(&task), port(&task));
    task.ports().set_qlimit(to.name().0, 1).wait().expect("a limit");
    let right = to.make_send().expect("a right");
    Outgoing::new(&right, 1).send(&task).expect("there is room");
    let second = Outgoing::new(&right, 2).right(carried.made_send());
    let error = second.send_within(&task, Some(Duration::ZERO)).expect_err("there is none");
    assert!(matches!(error.source, MsgError::Code { code: MsgReturn::SendTimedOut, .. }), "{error}");
    assert!(has_senders(&task, &carried), "the message has it");
    drop(to.receive(None).expect("the first"));
    error.message.expect("it came back").send(&task).expect("there is room");
    let back = to.receive(None).expect("the second").items().and_then(|mut i| i.right()?.send()).expect("a right");
    assert_eq!(back.name(), carried.name());
    drop(back);
    // To a port that is dead, where nothing is taken.
    drop(to);
    let error =
        Outgoing::new(&right, 3).right(carried.make_send().expect("a right")).send(&task).expect_err("it is dead");
    assert!(has_senders(&task, &carried));
    drop(error);
    assert!(!has_senders(&task, &carried));
}

/// A vault that is served in the test's own process.
struct Keeper {
    opened: Vec<ReceiveRight>,
    owed: Option<Deferred>,
}

impl vault::Vault for Keeper {
    fn open(&mut self, call: &mut Call, request: vault::Open) -> Result<vault::OpenReply<Right>, Code> {
        match request.owner.as_str() {
            "nobody" => Err(KernReturn::NoAccess.into()),
            "odd" => Err(Code(12_345)),
            "silent" => Err(Code::NO_REPLY),
            "later" => {
                self.owed = Some(call.defer());
                Err(Code::NO_REPLY)
            }
            "now" => {
                let port = port(&call.task);
                let given = port.made_send().into();
                self.opened.push(port);
                let owed = self.owed.take().expect("an answer is owed");
                owed.answer::<vault::Open>(Ok(vault::OpenReply { drawer: Right::Null }));
                Ok(vault::OpenReply { drawer: given })
            }
            _ => {
                call.stop();
                Ok(vault::OpenReply { drawer: Right::Null })
            }
        }
    }
}

fn kern(error: &RpcError) -> Option<KernReturn> {
    error.kern()
}

#[test]
fn a_service_answers_refuses_owes_and_stops() {
    let nodes = Nodes::start(1);
    let (owner, client) = (nodes.task(1), nodes.task(1));
    let door = port(&owner);
    owner.check_in("door", NamedRight::NULL, door.made_send()).expect("a free name");
    let serving = std::thread::spawn(move || {
        let mut server = vault::Server(Keeper { opened: Vec::new(), owed: None });
        mach::serve(&door, &mut server).map(|()| server.0.opened.len())
    });
    let right = client.look_up("door", "").expect("a right");
    let vault = vault::Client::new(&client, &right);
    let refused = |owner: &str| vault.open(owner).wait().expect_err("it is refused");
    assert_eq!(kern(&refused("nobody")), Some(KernReturn::NoAccess));
    assert!(matches!(refused("odd"), RpcError::Other { code: 12_345, .. }));
    assert!(matches!(refused("silent"), RpcError::Mig { code: MigError::ServerDied, .. }), "nobody answers any more");
    // An answer that is owed is given while another call is carried out.
    let later = std::thread::spawn({
        let (client, right) = (client.clone(), right.try_clone().expect("a right"));
        move || vault::Client::new(&client, right).open("later").wait()
    });
    std::thread::sleep(Duration::from_millis(50));
    let given = vault.open("now").wait().expect("an answer").drawer.send().expect("a right");
    assert!(given.name().is_valid());
    assert!(!within(SOON, "the owed answer", || later.join()).expect("a caller").expect("an answer").drawer.is_some());
    // A routine that the server does not have, one of another interface, and arguments that are none.
    assert!(matches!(vault.count().wait(), Err(RpcError::Mig { code: MigError::BadId, .. })));
    let other = drawer::Client::new(&client, &right).look().wait();
    assert!(matches!(other, Err(RpcError::Mig { code: MigError::BadId, .. })));
    let answers = port(&client);
    let carried = port(&client);
    let wrong = Outgoing::new(&right, vault::id::OPEN).reply_to(answers.made_send_once()).right(carried.made_send());
    wrong.send(&client).expect("it is sent");
    let code = answers.receive(Some(SOON)).map(|m| m.items().expect("items").u32()).expect("an answer");
    assert_eq!(code.map(|c| c as i32), Ok(MigError::BadArguments.raw()));
    wait_until(SOON, "what it carried is given up", || (!has_senders(&client, &carried)).then_some(()));
    vault.open("stop").wait().expect("the last answer");
    assert_eq!(within(SOON, "the end of the loop", || serving.join()).expect("a server").expect("it was told"), 1);
    assert!(matches!(vault.open("x").wait(), Err(e) if e.is_dead()));
}

#[test]
fn a_server_is_ended_by_a_canceller() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let door = port(&task);
    let canceller = Canceller::new(&task);
    let serving = {
        let canceller = canceller.clone();
        std::thread::spawn(move || {
            let mut server = vault::Server(Keeper { opened: Vec::new(), owed: None });
            canceller.scope(|| mach::serve(&door, &mut server))
        })
    };
    std::thread::sleep(Duration::from_millis(20));
    canceller.cancel();
    let ended = within(SOON, "the end of the loop", || serving.join()).expect("a server");
    assert!(matches!(ended, Err(MsgError::Code { code: MsgReturn::RcvInterrupted, .. })), "{ended:?}");
}

/// A vault whose routines take their time.
struct Slow(Mutex<u32>);

impl vault::VaultAsync for Slow {
    async fn open(&self, call: &mut Call, request: vault::Open) -> Result<vault::OpenReply<Right>, Code> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let name = call.task.node().info().await?.info.name;
        *self.0.lock().expect("no panic") += 1;
        if request.owner == "stop" {
            call.stop();
        }
        assert_eq!(name, "n1");
        Ok(vault::OpenReply { drawer: Right::Null })
    }
}

#[test]
fn an_awaited_service_answers_awaited_calls() {
    let nodes = Nodes::start(1);
    let (owner, client) = (nodes.task(1), nodes.task(1));
    let set = PortSet::allocate(&owner).expect("a set");
    let door = port(&owner);
    set.add(&door).expect("a member");
    owner.check_in("door", NamedRight::NULL, door.made_send()).expect("a free name");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let serving = tokio::spawn(async move {
            let server = vault::AsyncServer(Slow(Mutex::new(0)));
            mach::serve_async(&set, &server).await.map(|()| *server.0.0.lock().expect("no panic"))
        });
        let right: SendRight = client.look_up("door", "").expect("a right");
        let vault = vault::Client::new(&client, right);
        let calls = ["ann", "bob", "eve"].map(|owner| {
            let call = vault.open(owner);
            tokio::spawn(async move { call.await })
        });
        for call in calls {
            assert!(!call.await.expect("a call").expect("an answer").drawer.is_some());
        }
        assert!(matches!(vault.count().await, Err(RpcError::Mig { code: MigError::BadId, .. })));
        vault.open("stop").await.expect("the last answer");
        let served = tokio::time::timeout(SOON, serving).await.expect("the end of the loop").expect("a server");
        assert_eq!(served.expect("it was told"), 4);
    });
}

#[test]
fn the_kernel_is_called_by_the_same_stubs() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    assert_eq!(task.node().info().wait().expect("an answer").info.name, "n1");
    let name = task.ports().allocate(1).wait().expect("a port").name;
    let refs = task.ports().get_refs(name, 1).wait_for(SOON).expect("its references").refs;
    assert_eq!(refs, 1);
    task.ports().destroy(name).wait().expect("it is destroyed");
    assert_eq!(task.ports().get_refs(name, 1).wait().expect_err("it is gone").kern(), Some(KernReturn::InvalidName));
    let given = task.names().look_up("", "netmsg").wait();
    assert_eq!(given.expect_err("nobody checked it in").kern(), Some(KernReturn::NameNotCheckedIn));
}
