// PyTorch's .bin files: a zip archive of a pickle, which describes tensors, and of the storages that
// they are views of (torch/serialization.py). Tensors are mapped where they lie; no code that the
// file names is run. Refuses the format from before PyTorch 1.6, big-endian files, and tensors that
// reach beyond their storage.

import Archives

package enum PyTorchArchive {
  /// The pickle of the largest models has a few hundred kilobytes.
  private static let maximumPickleBytes = 16 << 20
  private static let remedy = "load it with PyTorch and save it as safetensors"

  /// All tensors of a file.
  package static func tensors(of file: MappedFile) throws(ModelError) -> [String: StoredTensor] {
    try file.withBytes { (bytes) throws(ModelError) in
      try tensors(of: bytes, file: file)
    }
  }

  private static func tensors(of bytes: UnsafeRawBufferPointer, file: MappedFile)
    throws(ModelError) -> [String: StoredTensor]
  {
    func refuse(_ reason: String) -> ModelError {
      .malformedCheckpoint(path: file.path, reason: reason)
    }
    guard ZipArchive.isArchive(bytes) else {
      // A pickle of protocol 2, as torch.save wrote it by itself.
      throw bytes.starts(with: [0x80, 2])
        ? refuse("it has PyTorch's legacy format (from before 1.6), which is not read; \(remedy)")
        : refuse("it is no zip archive, which PyTorch's files are")
    }
    let entries = try storedEntries(of: bytes, path: file.path)
    let pickles = entries.filter { $0.key == "data.pkl" || $0.key.hasSuffix("/data.pkl") }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw refuse("it holds \(pickles.count) files data.pkl instead of one")
    }
    guard pickle.value.count <= maximumPickleBytes else {
      throw refuse("its data.pkl has \(pickle.value.count) bytes, more than tensors need")
    }
    let folder = String(pickle.key.dropLast("data.pkl".count))
    if let order = entries[folder + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
      throw refuse("it was written on a big-endian machine; \(remedy)")
    }
    var unpickler = Unpickler(
      UnsafeRawBufferPointer(rebasing: bytes[pickle.value]), path: file.path)
    var result: [String: StoredTensor] = [:]
    for (name, tensor) in try unpickler.tensors() {
      guard let storage = entries[folder + "data/" + tensor.storage.key] else {
        throw refuse("the storage \(tensor.storage.key) of tensor \(name) is missing")
      }
      guard let stored = StoredTensor(tensor, in: storage, of: file) else {
        throw refuse("tensor \(name) of shape \(tensor.shape) reaches beyond its storage")
      }
      result[name] = stored
    }
    return result
  }

  /// Ranges within the file, by name: what PyTorch writes is stored as it is, so that it can be mapped.
  static func storedEntries(of bytes: UnsafeRawBufferPointer, path: String) throws(ModelError)
    -> [String: Range<Int>]
  {
    do throws(ArchiveError) {
      let entries = try ZipArchive(of: bytes).entries
      if let other = entries.first(where: { !$0.isStored }) {
        throw .malformed(
          "its entry \(other.name) is compressed or encrypted, which PyTorch never writes")
      }
      return Dictionary(entries.map { ($0.name, $0.data) }) { first, _ in first }
    } catch {
      throw .malformedCheckpoint(path: path, reason: "\(error)")
    }
  }
}

extension StoredTensor {
  /// Nil where the tensor reaches beyond its storage, given as a range of the file.
  fileprivate init?(_ tensor: PickledTensor, in storage: Range<Int>, of file: MappedFile) {
    guard let type = tensor.storage.elementType, let count = tensor.shape.checkedProduct,
      let span = tensor.elementSpan
    else { return nil }
    let (end, overflow) = tensor.offset.addingReportingOverflow(span)
    let size = type.bitCount / 8
    guard !overflow, end <= storage.count / size else { return nil }
    self.init(
      file: file, elementType: type, shape: tensor.shape,
      bytes: storage.lowerBound + tensor.offset * size..<storage.lowerBound + end * size,
      strides: count == 0 || count == span && tensor.isRowMajor ? nil : tensor.strides)
  }
}

extension PickledTensor {
  /// Elements from the first one to the last one of the view; nil where that overflows.
  fileprivate var elementSpan: Int? {
    guard !shape.contains(0) else { return 0 }
    var span = 1
    for (size, stride) in zip(shape, strides) {
      let (reach, tooFar) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, tooLong) = span.addingReportingOverflow(reach)
      guard !tooFar, !tooLong else { return nil }
      span = sum
    }
    return span
  }

  fileprivate var isRowMajor: Bool {
    var expected = 1
    for (size, stride) in zip(shape, strides).reversed() where size != 1 {
      guard stride == expected else { return false }
      expected *= size
    }
    return true
  }
}

extension [Int] {
  /// Nil where it overflows.
  var checkedProduct: Int? {
    var product = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }
}
