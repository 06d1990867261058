"""The page Home: See transfer learning happen."""
