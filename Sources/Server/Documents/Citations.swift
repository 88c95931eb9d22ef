// Finds the `[n]` markers of an answer that name one of the passages the model was given.

/// One marker and where it stands in the answer.
struct Citation: Sendable, Equatable {
  /// Number in the brackets, from 1.
  var number: Int
  /// Unicode scalars of the answer, from the opening bracket to behind the closing one.
  var start: Int
  var end: Int
}

enum Citations {
  /// Markers that name none of the `passageCount` passages are the model's invention: left out.
  static func find(in answer: String, passageCount: Int) -> [Citation] {
    let scalars = Array(answer.unicodeScalars)
    var citations: [Citation] = []
    var position = 0
    while position < scalars.count {
      if let citation = marker(in: scalars, at: position), citation.number <= passageCount {
        citations.append(citation)
        position = citation.end
      } else {
        position += 1
      }
    }
    return citations
  }

  /// `[`, one to four digits of a number from 1, `]`.
  private static func marker(in scalars: [Unicode.Scalar], at start: Int) -> Citation? {
    guard scalars[start] == "[" else { return nil }
    let digits = scalars[(start + 1)...].prefix(4).prefix { ("0"..."9").contains($0) }
    let close = start + 1 + digits.count
    guard close < scalars.count, scalars[close] == "]",
      let number = Int(String(String.UnicodeScalarView(digits))), number >= 1
    else { return nil }
    return Citation(number: number, start: start, end: close + 1)
  }
}
