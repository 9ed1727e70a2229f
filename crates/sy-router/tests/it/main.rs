//! The router against real sockets: fake providers on loopback ports, real catalog, configuration and credentials.

mod cancel;
mod chain;
mod commit;
mod count;
mod egress;
mod embed;
mod keys;
mod limits;
mod matrix;
mod relay;
mod world;
