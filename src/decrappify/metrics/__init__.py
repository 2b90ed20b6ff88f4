"""How good is a restoration: pure functions on arrays, and one scorecard for movies of any length."""
