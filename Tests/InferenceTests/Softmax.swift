// The textbook softmax, for comparison.

import Glibc

enum Softmax {
  static func log(_ logits: [Double]) -> [Double] {
    let total = logits.reduce(0) { $0 + exp($1) }
    return logits.map { $0 - Glibc.log(total) }
  }
}
