//! The server against real sockets: fake providers on loopback ports, everything between as in production.

#[cfg(test)]
mod access;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod client;
#[cfg(test)]
mod dialect;
#[cfg(test)]
mod document;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metering;
#[cfg(test)]
mod models;
#[cfg(test)]
mod surfaces;
#[cfg(test)]
mod world;
