//! The dev cloud: Plimsoll's functions as AWS would run them, and what is shown about how they use it.

// The proxy in front of the emulators.
mod proxy;

// What a whole run's calls say about the roles in template.yaml.
mod permissions;
mod unreached;
