use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;

use super::state::ClientState;

const PERIOD: Duration = Duration::from_millis(250);

pub(super) async fn keep_warm(client: Weak<ClientState>) {
    loop {
        let Some(state) = client.upgrade() else { return };
        if state.is_closing() {
            return;
        }
        for pool in state.discovery.pools() {
            pool.open_missing(state.options.connect_timeout);
        }
        drop(state);
        sleep(PERIOD).await;
    }
}
