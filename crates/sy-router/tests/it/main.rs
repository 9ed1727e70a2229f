//! The router against real sockets: fake providers on loopback ports, real catalog, configuration and credentials.

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod commit;
#[cfg(test)]
mod count;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod embed;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod world;
