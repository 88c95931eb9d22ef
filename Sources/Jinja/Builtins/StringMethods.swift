// The methods of Python's str that templates use, by name.

enum StringMethods {
  typealias Body = @Sendable (String, CallArguments, Meter) throws(JinjaError) -> Value

  static let table: [String: Body] = cutting.merging(searching) { first, _ in first }
    .merging(casing) { first, _ in first }.merging(asking) { first, _ in first }

  // MARK: Stripping, splitting, joining

  private static let cutting: [String: Body] = [
    "strip": { (text, arguments, _) throws(JinjaError) in
      .string(text.strippingScalars(try arguments.bound(to: "chars").string(0)))
    },
    "lstrip": { (text, arguments, _) throws(JinjaError) in
      .string(text.strippingScalars(try arguments.bound(to: "chars").string(0), trailing: false))
    },
    "rstrip": { (text, arguments, _) throws(JinjaError) in
      .string(text.strippingScalars(try arguments.bound(to: "chars").string(0), leading: false))
    },
    "split": { (text, arguments, meter) throws(JinjaError) in
      try split(text, arguments, meter, fromEnd: false)
    },
    "rsplit": { (text, arguments, meter) throws(JinjaError) in
      try split(text, arguments, meter, fromEnd: true)
    },
    "splitlines": { (text, arguments, meter) throws(JinjaError) in
      let keepEnds = try arguments.bound(to: "keepends").isTrue(0)
      try meter.chargeText(text.utf8.count)
      return try list(text.splittingLines(keepEnds: keepEnds, limit: meter.limits.items), meter)
    },
    "partition": { (text, arguments, _) throws(JinjaError) in
      let separator = try separator(arguments)
      let pieces = text.splitting(by: separator, limit: 1)
      guard pieces.count == 2 else { return try tuple([text, "", ""]) }
      return try tuple([pieces[0], separator, pieces[1]])
    },
    "rpartition": { (text, arguments, _) throws(JinjaError) in
      let separator = try separator(arguments)
      let pieces = text.splittingFromEnd(by: separator, limit: 1)
      guard pieces.count == 2 else { return try tuple(["", "", text]) }
      return try tuple([pieces[0], separator, pieces[1]])
    },
    "removeprefix": { (text, arguments, _) throws(JinjaError) in
      let prefix = try arguments.bound(to: "prefix").requiredString(0)
      guard text.startsWithScalars(of: prefix) else { return .string(text) }
      return .string(String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
    },
    "removesuffix": { (text, arguments, _) throws(JinjaError) in
      let suffix = try arguments.bound(to: "suffix").requiredString(0)
      guard text.endsWithScalars(of: suffix) else { return .string(text) }
      return .string(String(decoding: text.utf8.dropLast(suffix.utf8.count), as: UTF8.self))
    },
    "join": { (text, arguments, meter) throws(JinjaError) in
      var pieces: [String] = []
      var bytes = 0
      for item in try arguments.bound(to: "iterable").required(0).iterated(meter) {
        let piece = try item.expectString("every item")
        bytes += piece.utf8.count + text.utf8.count
        try meter.checkText(bytes)
        pieces.append(piece)
      }
      try meter.chargeText(bytes)
      return .string(pieces.joined(separator: text))
    },
    "replace": { (text, arguments, meter) throws(JinjaError) in
      let bound = try arguments.bound(to: "old", "new", "count")
      return .string(
        try replace(
          text, bound.requiredString(0), with: bound.requiredString(1), limit: bound.integer(2),
          meter))
    },
    "format": { (text, arguments, meter) throws(JinjaError) in
      .string(try formatBraces(text, arguments, meter))
    },
  ]

  static func replace(
    _ text: String, _ old: String, with new: String, limit: Int?, _ meter: Meter
  ) throws(JinjaError) -> String {
    // The most that can come out: every place replaced.
    let places = text.utf8.count / max(old.utf8.count, 1) + 1
    let (growth, overflow) = places.multipliedReportingOverflow(by: new.utf8.count)
    try meter.step(text.utf8.count / 64)
    if overflow || growth > meter.limits.outputBytes {
      let found =
        old.isEmpty
        ? text.unicodeScalars.count + 1 : text.splitting(by: old, limit: .max).count - 1
      let count = limit.map { $0 < 0 ? found : min($0, found) } ?? found
      let (bytes, overflow) = count.multipliedReportingOverflow(by: new.utf8.count)
      try meter.checkText(overflow ? .max : bytes)
    }
    let result = text.replacingAll(old, with: new, limit: limit)
    try meter.chargeText(result.utf8.count)
    return result
  }

  private static func separator(_ arguments: CallArguments) throws(JinjaError) -> String {
    let separator = try arguments.bound(to: "sep").requiredString(0)
    guard !separator.isEmpty else { throw .runtime("empty separator") }
    return separator
  }

  private static func split(
    _ text: String, _ arguments: CallArguments, _ meter: Meter, fromEnd: Bool
  ) throws(JinjaError) -> Value {
    let bound = try arguments.bound(to: "sep", "maxsplit")
    let limit = try bound.integer(1).map { $0 < 0 ? Int.max : $0 } ?? Int.max
    try meter.chargeText(text.utf8.count)
    // From which end makes no difference where all is split; more pieces than a list may have are
    // not even made.
    let isFromEnd = fromEnd && limit < Int.max
    let count = min(limit, meter.limits.items)
    guard let separator = try bound.string(0) else {
      return try list(
        isFromEnd ? text.splittingWordsFromEnd(limit: count) : text.splittingWords(limit: count),
        meter)
    }
    guard !separator.isEmpty else { throw .runtime("empty separator") }
    return try list(
      isFromEnd
        ? text.splittingFromEnd(by: separator, limit: count)
        : text.splitting(by: separator, limit: count), meter)
  }

  private static func list(_ pieces: [String], _ meter: Meter) throws(JinjaError) -> Value {
    try meter.chargeItems(pieces.count)
    return try .list(pieces.map { .string($0) })
  }

  private static func tuple(_ pieces: [String]) throws(JinjaError) -> Value {
    try .tuple(pieces.map { .string($0) })
  }

  // MARK: Searching

  private static let searching: [String: Body] = [
    "startswith": { (text, arguments, _) throws(JinjaError) in
      .bool(try matchesAny(arguments) { text.startsWithScalars(of: $0) })
    },
    "endswith": { (text, arguments, _) throws(JinjaError) in
      .bool(try matchesAny(arguments) { text.endsWithScalars(of: $0) })
    },
    "find": { (text, arguments, meter) throws(JinjaError) in
      .integer(try find(text, arguments, meter, last: false) ?? -1)
    },
    "rfind": { (text, arguments, meter) throws(JinjaError) in
      .integer(try find(text, arguments, meter, last: true) ?? -1)
    },
    "index": { (text, arguments, meter) throws(JinjaError) in
      guard let index = try find(text, arguments, meter, last: false) else {
        throw .runtime("substring not found")
      }
      return .integer(index)
    },
    "rindex": { (text, arguments, meter) throws(JinjaError) in
      guard let index = try find(text, arguments, meter, last: true) else {
        throw .runtime("substring not found")
      }
      return .integer(index)
    },
    "count": { (text, arguments, meter) throws(JinjaError) in
      let part = try arguments.bound(to: "sub").requiredString(0)
      try meter.chargeText(text.utf8.count)
      guard !part.isEmpty else { return .integer(text.unicodeScalars.count + 1) }
      return .integer(text.splitting(by: part, limit: .max).count - 1)
    },
  ]

  private static func matchesAny(
    _ arguments: CallArguments, _ matches: (String) -> Bool
  ) throws(JinjaError) -> Bool {
    let argument = try arguments.bound(to: "prefix").required(0)
    guard case .tuple(let choices) = argument else {
      return matches(try argument.expectString("the argument"))
    }
    for choice in choices.items where matches(try choice.expectString("every item")) {
      return true
    }
    return false
  }

  /// The index in Unicode scalars.
  private static func find(
    _ text: String, _ arguments: CallArguments, _ meter: Meter, last: Bool
  ) throws(JinjaError) -> Int? {
    let part = try arguments.bound(to: "sub").requiredString(0)
    try meter.chargeText(text.utf8.count)
    let pieces =
      last ? text.reversedScalars.firstOffset(of: part.reversedScalars) : text.firstOffset(of: part)
    guard let offset = pieces else { return nil }
    let bytes = Array(last ? text.reversedScalars.utf8 : text.utf8)
    let before = String(decoding: bytes[..<offset], as: UTF8.self).unicodeScalars.count
    guard last else { return before }
    return text.unicodeScalars.count - before - part.unicodeScalars.count
  }

  // MARK: Case and padding

  private static let casing: [String: Body] = [
    "upper": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.uppercased())
    },
    "lower": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.lowercased())
    },
    "casefold": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.lowercased())
    },
    "swapcase": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.swappingCase)
    },
    "title": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.pythonTitled)
    },
    "capitalize": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .string(text.pythonCapitalized)
    },
    "ljust": { (text, arguments, meter) throws(JinjaError) in
      try pad(text, arguments, meter, .right)
    },
    "rjust": { (text, arguments, meter) throws(JinjaError) in
      try pad(text, arguments, meter, .left)
    },
    "center": { (text, arguments, meter) throws(JinjaError) in
      try pad(text, arguments, meter, .both)
    },
    "zfill": { (text, arguments, meter) throws(JinjaError) in
      let width = try arguments.bound(to: "width").integer(0) ?? 0
      try meter.chargeText(width)
      let hasSign = text.utf8.first == UInt8(ascii: "-") || text.utf8.first == UInt8(ascii: "+")
      guard hasSign else { return .string(text.padded(to: width, with: "0", .left)) }
      let digits = String(text.unicodeScalars.dropFirst())
      return .string(
        String(text.unicodeScalars.prefix(1)) + digits.padded(to: width - 1, with: "0", .left))
    },
  ]

  private static func pad(
    _ text: String, _ arguments: CallArguments, _ meter: Meter, _ side: String.PaddingSide
  ) throws(JinjaError) -> Value {
    let bound = try arguments.bound(to: "width", "fillchar")
    let width = try bound.integer(0) ?? 0
    let fill = try bound.string(1) ?? " "
    guard let scalar = fill.unicodeScalars.first, fill.unicodeScalars.count == 1 else {
      throw .runtime("the fill character must be exactly one character long")
    }
    try meter.chargeText(max(0, width).multipliedReportingOverflow(by: 4).partialValue)
    try meter.chargeText(max(0, width))
    return .string(text.padded(to: width, with: scalar, side))
  }

  // MARK: Questions

  private static let asking: [String: Body] = [
    "isdigit": asks {
      $0.properties.numericType == .digit || $0.properties.numericType == .decimal
    },
    "isdecimal": asks { $0.properties.numericType == .decimal },
    "isnumeric": asks { $0.properties.numericType != nil },
    "isalpha": asks { $0.isPythonLetter },
    "isalnum": asks { $0.isPythonLetter || $0.properties.numericType != nil },
    "isspace": asks { $0.isPythonWhitespace },
    "isupper": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      let scalars = text.unicodeScalars
      return .bool(
        scalars.contains { $0.properties.isUppercase }
          && !scalars.contains { $0.properties.isLowercase })
    },
    "islower": { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      let scalars = text.unicodeScalars
      return .bool(
        scalars.contains { $0.properties.isLowercase }
          && !scalars.contains { $0.properties.isUppercase })
    },
  ]

  /// Whether the text is not empty and all of its characters are of a kind.
  private static func asks(_ isOfKind: @escaping @Sendable (Unicode.Scalar) -> Bool) -> Body {
    { (text, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(isOfKind))
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isPythonLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}
