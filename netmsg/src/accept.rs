//! The accepting side of the endpoint: takes connections, and hands each to what its protocol is for.

use std::rc::Rc;

use proto::limits::HANDSHAKES_MAX;
use quinn::{Connection, Incoming};

use crate::greet::{self, Greeted};
use crate::join;
use crate::net::Inner;
use crate::reason::{self, CloseCode};
use crate::tls::Alpn;

/// Accepts connections until the network ends. At most `HANDSHAKES_MAX` are in their handshake at a time.
pub(crate) async fn run(net: Rc<Inner>) {
    loop {
        let incoming = tokio::select! {
            () = net.end.cancelled() => return,
            incoming = net.endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        if net.handshakes.get() >= HANDSHAKES_MAX {
            net.grumble(format!("more than {HANDSHAKES_MAX} connections at a time are being made; some are refused"));
            incoming.refuse();
            continue;
        }
        let guard = Handshake::begin(&net);
        let net = net.clone();
        tokio::task::spawn_local(async move {
            let _guard = guard;
            handle(net, incoming).await;
        });
    }
}

async fn handle(net: Rc<Inner>, incoming: Incoming) {
    let from = incoming.remote_address();
    let connecting = match incoming.accept() {
        Ok(connecting) => connecting,
        Err(error) => return tracing::debug!(%from, %error, "not a connection"),
    };
    let connection = match tokio::time::timeout(net.times.handshake(), connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(e)) => return net.grumble(format!("refused a connection from {}: {e}", from.ip())),
        Err(_) => return tracing::debug!(%from, "a handshake took too long"),
    };
    match Alpn::of(&connection) {
        Some(Alpn::Link) => link(&net, connection).await,
        Some(Alpn::Join) => join::serve(&net, connection).await,
        _ => reason::close(&connection, CloseCode::WrongNode, "nothing here speaks that"),
    }
}

async fn link(net: &Rc<Inner>, connection: Connection) {
    let from = connection.remote_address();
    match greet::accepted(net, connection).await {
        Greeted::Refused(why) => net.grumble(format!("refused a link from {}: {why}", from.ip())),
        Greeted::ToldDead(by) => net.told_dead(&by),
        other => tracing::debug!(%from, ?other, "greeted"),
    }
}

/// Counts a connection for as long as it is neither a link nor gone.
struct Handshake(Rc<Inner>);

impl Handshake {
    fn begin(net: &Rc<Inner>) -> Handshake {
        net.handshakes.set(net.handshakes.get() + 1);
        Handshake(net.clone())
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.handshakes.set(self.0.handshakes.get() - 1);
    }
}
