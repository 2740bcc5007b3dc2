//! What is counted.

/// An enum whose variants' names are the values of a metric's label.
pub trait Label: Copy {
    /// The label's value: snake_case, and one of a fixed set.
    fn label(self) -> &'static str;
}
