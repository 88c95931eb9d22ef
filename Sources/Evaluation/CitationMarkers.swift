// Finds the `[n]` markers of an answer, and which sentence each of them is about. `[1, 2]` is two
// citations in one place. Refuses nothing: what isn't a marker is text.

/// One marker and where it stands in the answer.
package struct CitationMarker: Sendable, Hashable {
  /// Number in the brackets, from 1.
  package var number: Int
  /// Unicode scalars of the answer, from the opening bracket to behind the closing one.
  package var start: Int
  package var end: Int

  package init(number: Int, start: Int, end: Int) {
    self.number = number
    self.start = start
    self.end = end
  }

  package static func find(in answer: String) -> [CitationMarker] {
    let scalars = Array(answer.unicodeScalars)
    var markers: [CitationMarker] = []
    var position = 0
    while position < scalars.count {
      if let (numbers, end) = numbers(in: scalars, at: position) {
        markers += numbers.map { CitationMarker(number: $0, start: position, end: end) }
        position = end
      } else {
        position += 1
      }
    }
    return markers
  }

  /// The answer without its markers, which reference answers don't have.
  package static func removed(from answer: String) -> String {
    var scalars = Array(answer.unicodeScalars)
    // `[1, 2]` is two markers in one place.
    var start = scalars.count
    for marker in find(in: answer).reversed() where marker.start < start {
      scalars.removeSubrange(marker.start..<marker.end)
      start = marker.start
    }
    return String(String.UnicodeScalarView(scalars))
  }

  /// `[`, numbers of one to four digits from 1 with commas between them, `]`.
  private static func numbers(
    in scalars: [Unicode.Scalar], at start: Int
  ) -> (numbers: [Int], end: Int)? {
    guard scalars[start] == "[" else { return nil }
    var numbers: [Int] = []
    var position = start + 1
    while true {
      let digits = scalars[position...].prefix(4).prefix { ("0"..."9").contains($0) }
      guard let number = Int(String(String.UnicodeScalarView(digits))), number >= 1 else {
        return nil
      }
      numbers.append(number)
      position += digits.count
      guard position < scalars.count else { return nil }
      if scalars[position] == "]" { return (numbers, position + 1) }
      guard [",", "，", "、"].contains(scalars[position]) else { return nil }
      position += 1
      while position < scalars.count, scalars[position] == " " { position += 1 }
    }
  }
}

/// A sentence of an answer with the citations that belong to it.
package struct CitedSentence: Sendable, Hashable {
  /// Without markers.
  package var text: String
  package var markers: [CitationMarker]

  /// Sentences in order. A marker between two sentences belongs to the one before it, unless that has
  /// markers of its own and this one begins what follows.
  /// - Parameter boundaries: ranges of a text's sentences, in Unicode scalars, white space left out.
  package static func split(
    _ answer: String, boundaries: (String) -> [Range<Int>]
  ) -> [CitedSentence] {
    let markers = CitationMarker.find(in: answer)
    // Blanks in place of markers, so that "done.[1] Then" ends a sentence too.
    var scalars = Array(answer.unicodeScalars)
    for marker in markers {
      for position in marker.start..<marker.end { scalars[position] = " " }
    }
    let ranges = boundaries(String(String.UnicodeScalarView(scalars)))
    var sentences = ranges.map { range in
      CitedSentence(text: String(String.UnicodeScalarView(scalars[range])), markers: [])
    }
    var (place, end) = (0, -1)
    for marker in markers {
      // "[1][2]" stays together.
      if marker.start > end {
        let next = ranges.firstIndex { $0.upperBound > marker.start } ?? ranges.count
        let isInside = next < ranges.count && ranges[next].lowerBound <= marker.start
        let previousIsCited = next > 0 && !sentences[next - 1].markers.isEmpty
        place = isInside || next == 0 || (previousIsCited && next < ranges.count) ? next : next - 1
      }
      end = marker.end
      if sentences.indices.contains(place) { sentences[place].markers.append(marker) }
    }
    return sentences
  }
}
