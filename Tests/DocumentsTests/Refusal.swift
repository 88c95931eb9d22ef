// What a call refuses.

import Documents

/// The error that a call throws, as far as it is one of this module.
func refusal(_ body: () throws -> Void) -> DocumentError? {
  do {
    try body()
    return nil
  } catch {
    return error as? DocumentError
  }
}
