//! The edge from outside: real sockets, scripted neighbours.

mod harness;

mod capacity;
mod framing;
mod site;
mod stop;
mod streams;
