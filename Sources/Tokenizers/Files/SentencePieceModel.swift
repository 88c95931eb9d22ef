// SentencePiece's `ModelProto` (google/sentencepiece, sentencepiece_model.proto): pieces with scores and
// types, and the settings that encoding depends on. Models of words and of characters are refused, and
// so are denormalisation rules.

struct SentencePieceModel {
  enum Kind: UInt64 {
    case unigram = 1
    case bytePair = 2
  }

  enum PieceType: UInt64 {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  struct Piece {
    var text: [UInt8] = []
    var score: Float = 0
    var type = PieceType.normal
  }

  private(set) var pieces: [Piece] = []
  private(set) var kind = Kind.unigram
  private(set) var fallsBackToBytes = false
  private(set) var blanksAreSuffixes = false
  private(set) var beginningID = 1
  private(set) var endID = 2
  private(set) var paddingID = -1
  /// Empty for none.
  private(set) var characterMap: [UInt8] = []
  private(set) var addsDummyPrefix = true
  private(set) var removesExtraBlanks = true
  private(set) var escapesBlanks = true

  init(_ bytes: [UInt8], file: String) throws(TokenizerError) {
    do {
      try read(ProtobufReader(bytes), file)
    } catch let failure as ProtobufReader.Failure {
      throw .malformed(
        file: file, key: "", reason: "byte \(failure.offset): \(failure.reason)")
    } catch let error as TokenizerError {
      throw error
    } catch {
      throw .malformed(file: file, key: "", reason: "\(error)")
    }
    guard !pieces.isEmpty, pieces.count <= Vocabulary.maximumID,
      pieces.reduce(0, { $0 + $1.text.count }) <= PrefixTrie.maximumBytes
    else { throw .malformed(file: file, key: "pieces", reason: "none, or too many of them") }
  }

  private mutating func read(_ reader: ProtobufReader, _ file: String) throws {
    var reader = reader
    while let (field, value) = try reader.next() {
      guard case .bytes(let range) = value else { continue }
      let message = ProtobufReader(reader.bytes, range)
      switch field {
      case 1: pieces.append(try piece(message, file))
      case 2: try readTrainer(message, file)
      case 3: try readNormalizer(message)
      case 5: try refuseRules(message, file)
      default: break
      }
    }
  }

  private func piece(_ reader: ProtobufReader, _ file: String) throws -> Piece {
    var reader = reader
    var piece = Piece()
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .bytes(let range)): piece.text = Array(reader.bytes[range])
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .varint(let number)):
        guard let type = PieceType(rawValue: number) else {
          throw TokenizerError.unsupported(
            file: file, key: "pieces[\(pieces.count)].type", value: "\(number)")
        }
        piece.type = type
      default: break
      }
    }
    guard !piece.text.isEmpty, piece.score.isFinite,
      String(validating: piece.text, as: UTF8.self) != nil
    else {
      throw TokenizerError.malformed(
        file: file, key: "pieces[\(pieces.count)]", reason: "not a text and its score")
    }
    return piece
  }

  private mutating func readTrainer(_ reader: ProtobufReader, _ file: String) throws {
    var reader = reader
    while let (field, value) = try reader.next() {
      guard case .varint(let number) = value else { continue }
      switch field {
      case 3:
        guard let kind = Kind(rawValue: number) else {
          throw TokenizerError.unsupported(
            file: file, key: "trainer_spec.model_type", value: number == 3 ? "WORD" : "CHAR")
        }
        self.kind = kind
      case 24: blanksAreSuffixes = number != 0
      case 35: fallsBackToBytes = number != 0
      case 41: beginningID = Int(Int32(truncatingIfNeeded: number))
      case 42: endID = Int(Int32(truncatingIfNeeded: number))
      case 43: paddingID = Int(Int32(truncatingIfNeeded: number))
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ reader: ProtobufReader) throws {
    var reader = reader
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (2, .bytes(let range)): characterMap = Array(reader.bytes[range])
      case (3, .varint(let number)): addsDummyPrefix = number != 0
      case (4, .varint(let number)): removesExtraBlanks = number != 0
      case (5, .varint(let number)): escapesBlanks = number != 0
      default: break
      }
    }
  }

  private func refuseRules(_ reader: ProtobufReader, _ file: String) throws {
    var reader = reader
    while let (field, value) = try reader.next() {
      if field == 2, case .bytes(let range) = value, !range.isEmpty {
        throw TokenizerError.unsupported(
          file: file, key: "denormalizer_spec.precompiled_charsmap", value: "a character map")
      }
    }
  }
}
