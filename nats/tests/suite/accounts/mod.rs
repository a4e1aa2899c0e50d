//! One credential per group, on a server with the rendered configuration.

mod forget;
mod matrix;
mod probes;
mod remote;
mod server;
mod work;
