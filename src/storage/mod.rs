//! Lists, opens, creates, seals and publishes objects at a URL, synchronously.
