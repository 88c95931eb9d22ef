// Values out of rows without trust in the file: a damaged one can hold NULL or another type in any
// column, whatever the schema says. Each of these refuses such a value as damage.

import FoundationEssentials
import GRDB
import JSON

extension Row {
  func int(at index: Int) throws -> Int {
    guard let value = Int.fromDatabaseValue(self[index] as DatabaseValue) else {
      throw damage(index)
    }
    return value
  }

  func int64(at index: Int) throws -> Int64 {
    guard let value = Int64.fromDatabaseValue(self[index] as DatabaseValue) else {
      throw damage(index)
    }
    return value
  }

  func double(at index: Int) throws -> Double {
    guard let value = Double.fromDatabaseValue(self[index] as DatabaseValue) else {
      throw damage(index)
    }
    return value
  }

  func string(at index: Int) throws -> String {
    guard let value = try optionalString(at: index) else { throw damage(index) }
    return value
  }

  func optionalString(at index: Int) throws -> String? {
    let value = self[index] as DatabaseValue
    if value.isNull { return nil }
    guard case .string(let string) = value.storage else { throw damage(index) }
    return string
  }

  func bytes(at index: Int) throws -> Data {
    let value = self[index] as DatabaseValue
    guard case .blob(let data) = value.storage else { throw damage(index) }
    return data
  }

  /// A text that is stored as bytes.
  func text(at index: Int) throws -> String {
    guard let text = String(validating: try bytes(at: index), as: UTF8.self) else {
      throw damage(index)
    }
    return text
  }

  /// A vector of exactly `dimension` finite values.
  func vector(at index: Int, dimension: Int) throws -> [Float] {
    let data = try bytes(at: index)
    guard let vector = [Float](blob: data), vector.count == dimension,
      vector.allSatisfy(\.isFinite)
    else { throw damage(index) }
    return vector
  }

  func metadata(at index: Int) throws -> JSONObject {
    guard let value = try? JSONValue(parsing: Array(try string(at: index).utf8)),
      let object = value.object
    else { throw damage(index) }
    return object
  }

  func damage(_ index: Int) -> DatabaseError {
    let names = Array(columnNames)
    let name = names.indices.contains(index) ? names[index] : "\(index)"
    return DatabaseError(
      resultCode: .SQLITE_CORRUPT, message: "column \"\(name)\" holds an unusable value")
  }
}

extension [Float] {
  var blob: Data { withUnsafeBytes { Data($0) } }

  init?(blob: Data) {
    guard blob.count % MemoryLayout<Float>.size == 0 else { return nil }
    self.init(unsafeUninitializedCapacity: blob.count / MemoryLayout<Float>.size) { buffer, count in
      count = blob.copyBytes(to: buffer) / MemoryLayout<Float>.size
    }
  }
}
