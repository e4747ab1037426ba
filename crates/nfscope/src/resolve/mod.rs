//! Steps that add names and texts to an event.
