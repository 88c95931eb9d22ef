// The dictionary of tensors in a pickle, read without running anything: of Python's pickle machine
// (Lib/pickletools.py) only what torch.save uses to write a state dictionary. Values are kept where
// tensors need them and forgotten where they don't. Refuses every opcode and every Python object
// beyond that by name; sizes are bounded by the pickle's own, which is bounded by the caller.

/// A tensor as a pickle describes it: a view of a storage.
struct PickledTensor {
  var storage: PickledStorage
  /// In elements.
  var offset: Int
  var shape: [Int]
  var strides: [Int]
}

struct PickledStorage {
  var key: String
  /// Nil for bytes whose type the tensor tells.
  var elementType: ElementType?
}

struct Unpickler {
  private var reader: ByteReader
  private var stack: [Value] = []
  private var marks: [Int] = []
  private var memo: [Int: Value] = [:]

  private static let maximumTupleDepth = 8

  private indirect enum Value {
    case integer(Int)
    case string(String)
    /// Depth: 1 + that of the deepest tuple within.
    case tuple([Value], depth: Int)
    case dictionary(Dictionary)
    case object(PythonObject)
    case storage(PickledStorage)
    case tensor(PickledTensor)
    /// Whatever no tensor is made of: none, truth values, floats, lists.
    case other
  }

  /// Shared by the memo and the stack, and filled after it was remembered.
  private final class Dictionary {
    var tensors: [String: PickledTensor] = [:]
  }

  init(_ pickle: UnsafeRawBufferPointer, path: String) {
    reader = ByteReader(pickle, path: path, subject: "its pickle (data.pkl)")
  }

  /// Reads to the end: the tensors of the dictionary that the pickle holds.
  mutating func tensors() throws(ModelError) -> [String: PickledTensor] {
    while true {
      let opcode: UInt8 = try reader.integer()
      guard opcode != UInt8(ascii: ".") else { break }
      try step(opcode)
    }
    guard case .dictionary(let dictionary) = try pop() else {
      throw refusal("it holds something else than a dictionary of tensors")
    }
    return dictionary.tensors
  }

  private func refusal(_ reason: String) -> ModelError { reader.refusal("its pickle: " + reason) }

  private mutating func step(_ opcode: UInt8) throws(ModelError) {
    switch opcode {
    case 0x80: _ = try reader.integer(UInt8.self)  // PROTO
    case 0x95: _ = try reader.integer(UInt64.self)  // FRAME
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "}"): stack.append(.dictionary(Dictionary()))
    case UInt8(ascii: "N"), 0x88, 0x89, UInt8(ascii: "]"): stack.append(.other)
    case UInt8(ascii: "G"):  // BINFLOAT
      _ = try reader.bytes(8)
      stack.append(.other)
    case UInt8(ascii: "a"): _ = try pop()  // APPEND
    case UInt8(ascii: "e"): _ = try popMarked()  // APPENDS
    case UInt8(ascii: "J"): stack.append(.integer(Int(try reader.integer(Int32.self))))
    case UInt8(ascii: "K"): stack.append(.integer(Int(try reader.integer(UInt8.self))))
    case UInt8(ascii: "M"): stack.append(.integer(Int(try reader.integer(UInt16.self))))
    case 0x8a: stack.append(.integer(try longInteger()))  // LONG1
    case UInt8(ascii: "X"): stack.append(.string(try reader.string(reader.integer(UInt32.self))))
    case 0x8c: stack.append(.string(try reader.string(reader.integer(UInt8.self))))
    case UInt8(ascii: ")"): stack.append(.tuple([], depth: 1))
    case 0x85: try pushTuple(popLast(1))
    case 0x86: try pushTuple(popLast(2))
    case 0x87: try pushTuple(popLast(3))
    case UInt8(ascii: "t"): try pushTuple(popMarked())
    case UInt8(ascii: "q"): memo[Int(try reader.integer(UInt8.self))] = try top()
    case UInt8(ascii: "r"): memo[Int(try reader.integer(UInt32.self))] = try top()
    case 0x94: memo[memo.count] = try top()  // MEMOIZE
    case UInt8(ascii: "h"): try recall(Int(reader.integer(UInt8.self)))
    case UInt8(ascii: "j"): try recall(Int(reader.integer(UInt32.self)))
    case UInt8(ascii: "c"):
      try pushObject(module: reader.line(), name: reader.line())
    case 0x93:  // STACK_GLOBAL
      let names = try popLast(2)
      guard case .string(let module) = names[0], case .string(let name) = names[1] else {
        throw refusal("an object's name is not a string")
      }
      try pushObject(module: module, name: name)
    case UInt8(ascii: "Q"):  // BINPERSID
      let identifier = try pop()
      stack.append(.storage(try storage(identifier)))
    case UInt8(ascii: "R"):
      let parts = try popLast(2)
      stack.append(try call(parts[0], parts[1]))
    case UInt8(ascii: "b"): _ = try pop()  // BUILD: attributes, such as _metadata
    case UInt8(ascii: "s"):
      let items = try popLast(2)
      try setItems(items)
    case UInt8(ascii: "u"):
      let items = try popMarked()
      try setItems(items)
    default: throw refusal("opcode \(opcode) is none that a dictionary of tensors needs")
    }
  }

  // Stack ------------------------------------------------------------------------------------------

  private func top() throws(ModelError) -> Value {
    guard let value = stack.last, stack.count > marks.last ?? 0 else {
      throw refusal("it takes a value that was never given")
    }
    return value
  }

  private mutating func pop() throws(ModelError) -> Value {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func popLast(_ count: Int) throws(ModelError) -> [Value] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw refusal("it takes a value that was never given")
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  /// All values since the last mark, which goes too.
  private mutating func popMarked() throws(ModelError) -> [Value] {
    guard let mark = marks.popLast() else { throw refusal("it looks for a mark that is not set") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func recall(_ key: Int) throws(ModelError) {
    guard let value = memo[key] else { throw refusal("it recalls what it never remembered") }
    stack.append(value)
  }

  private mutating func pushTuple(_ values: [Value]) throws(ModelError) {
    let depth = values.reduce(1) {
      if case .tuple(_, let depth) = $1 { max($0, depth + 1) } else { $0 }
    }
    guard depth <= Self.maximumTupleDepth else {
      throw refusal("tuples are nested deeper than tensors need")
    }
    stack.append(.tuple(values, depth: depth))
  }

  private mutating func longInteger() throws(ModelError) -> Int {
    let bytes = try reader.bytes(reader.integer(UInt8.self))
    guard bytes.count <= 8 else { throw refusal("an integer has \(bytes.count) bytes") }
    let sign: UInt64 = (bytes.last ?? 0) & 0x80 == 0 ? 0 : .max
    return Int(bitPattern: UInt(bytes.reversed().reduce(sign) { $0 << 8 | UInt64($1) }))
  }

  // Objects ----------------------------------------------------------------------------------------

  private mutating func pushObject(module: String, name: String) throws(ModelError) {
    guard let object = PythonObject(module: module, name: name) else {
      throw refusal(
        "it asks for the Python object \(module).\(name), which weights don't need and which is "
          + "never run here; save the model as safetensors where you trust its author")
    }
    stack.append(.object(object))
  }

  private func call(_ function: Value, _ arguments: Value) throws(ModelError) -> Value {
    guard case .object(let object) = function, case .tuple(let arguments, _) = arguments else {
      throw refusal("it calls what is no function")
    }
    switch object {
    case .orderedDictionary where arguments.isEmpty: return .dictionary(Dictionary())
    case .rebuildParameter:
      if case .tensor(let tensor)? = arguments.first { return .tensor(tensor) }
    case .rebuildTensor:
      if case .storage(let storage)? = arguments.first, storage.elementType != nil {
        return .tensor(try tensor(storage, arguments))
      }
    case .rebuildTypedTensor:
      if case .storage(var storage)? = arguments.first, arguments.count > 6,
        case .object(.elementType(let type)) = arguments[6]
      {
        storage.elementType = type
        return .tensor(try tensor(storage, arguments))
      }
    default: break
    }
    throw refusal("it calls \(object) with other arguments than PyTorch does")
  }

  /// A tensor of (storage, offset, shape, strides, ...).
  private func tensor(_ storage: PickledStorage, _ arguments: [Value]) throws(ModelError)
    -> PickledTensor
  {
    guard arguments.count >= 4, case .integer(let offset) = arguments[1],
      let shape = integers(arguments[2]), let strides = integers(arguments[3]),
      shape.count == strides.count, offset >= 0
    else {
      throw refusal("a tensor's offset, shape or strides are not natural numbers")
    }
    return PickledTensor(storage: storage, offset: offset, shape: shape, strides: strides)
  }

  private func integers(_ value: Value) -> [Int]? {
    guard case .tuple(let values, _) = value else { return nil }
    var result: [Int] = []
    for value in values {
      guard case .integer(let number) = value, number >= 0 else { return nil }
      result.append(number)
    }
    return result
  }

  /// Of ("storage", type, key, location, element count).
  private func storage(_ identifier: Value) throws(ModelError) -> PickledStorage {
    guard case .tuple(let parts, _) = identifier, parts.count >= 3,
      case .string("storage") = parts[0], case .object(let type) = parts[1],
      case .string(let key) = parts[2]
    else {
      throw refusal("it refers to something else than a tensor's storage")
    }
    switch type {
    case .storage(let elementType): return PickledStorage(key: key, elementType: elementType)
    case .untypedStorage: return PickledStorage(key: key, elementType: nil)
    default: throw refusal("a storage's type is \(type)")
    }
  }

  private func setItems(_ items: [Value]) throws(ModelError) {
    guard case .dictionary(let dictionary) = try top() else {
      throw refusal("it sets items of what is no dictionary")
    }
    guard items.count % 2 == 0 else { throw refusal("it sets a key without a value") }
    for index in stride(from: 0, to: items.count, by: 2) {
      if case .string(let key) = items[index], case .tensor(let tensor) = items[index + 1] {
        dictionary.tensors[key] = tensor
      }
    }
  }
}

/// The few Python objects that a state dictionary is made of.
private enum PythonObject {
  case orderedDictionary
  case rebuildTensor
  case rebuildTypedTensor
  case rebuildParameter
  case storage(ElementType)
  case untypedStorage
  case elementType(ElementType)

  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTypedTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch.storage", "UntypedStorage"): self = .untypedStorage
    case ("torch", _):
      if let type = Self.storages[name] {
        self = .storage(type)
      } else if let type = Self.elementTypes[name] {
        self = .elementType(type)
      } else {
        return nil
      }
    default: return nil
    }
  }

  private static let storages: [String: ElementType] = [
    "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16,
    "DoubleStorage": .float64, "ByteStorage": .uint8, "CharStorage": .int8,
    "ShortStorage": .int16, "IntStorage": .int32, "LongStorage": .int64, "BoolStorage": .bool,
  ]

  private static let elementTypes: [String: ElementType] = [
    "float8_e4m3fn": .float8E4M3, "float8_e5m2": .float8E5M2, "uint16": .uint16,
    "uint32": .uint32, "uint64": .uint64,
  ]
}
