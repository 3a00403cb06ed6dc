//! Links the addon so that it finds Node's symbols at load time.

fn main() {
    napi_build::setup();
}
